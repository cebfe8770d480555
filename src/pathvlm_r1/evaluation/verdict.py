"""One sentence on whether GRPO has a signal, and if not, why and what to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from pathvlm_r1.reward import SignalCounts

WEAK_SHARE = 0.25  # of groups with a signal, below which three quarters of the sampling is for nothing
BLAMED_SHARE = 0.5  # of completions, or of groups without a signal, from which a fault is named as the cause
LARGEST_GROUP = 64  # that is advised


class Signal(StrEnum):
    """How much there is to learn from."""

    NONE = "none"
    WEAK = "weak"
    CLEAR = "clear"


@dataclass(frozen=True)
class Verdict:
    """Whether rewards hold a signal, in one word and in one sentence."""

    signal: Signal
    sentence: str


def verdict(counts: SignalCounts) -> Verdict:
    """Judge the groups of one or more rollouts."""
    if counts.with_signal == 0:
        start = f"RL has no signal: the rewards are equal within all {counts.groups} groups, because"
        return Verdict(Signal.NONE, f"{start} {cause(counts)}.")
    differ = f"the rewards differ within {counts.with_signal} of {counts.groups} groups"
    if counts.with_signal < WEAK_SHARE * counts.groups:
        return Verdict(Signal.WEAK, f"RL has a weak signal: {differ} only, because {cause(counts)}.")
    constant = [name for name, groups in counts.varied.items() if groups == 0]
    silent = f", but {' and '.join(constant)} within none of them" if constant else ""
    return Verdict(Signal.CLEAR, f"RL has a signal: {differ}{silent}.")


def alike_share(accuracy: float, group_size: int) -> float:
    """The share of groups that are all right or all wrong, p^G + (1 - p)^G, were all questions equally hard."""
    return float(accuracy**group_size + (1 - accuracy) ** group_size)


def cause(counts: SignalCounts) -> str:
    """Why groups are without a signal, and what to do: faults of form first, since nothing else can show through."""
    return _fault_of_form(counts) or _fault_of_reward(counts) or _fault_of_difficulty(counts)


def _fault_of_form(counts: SignalCounts) -> str | None:
    of = f"of {counts.completions} completions"
    faults = {
        f"{counts.capped} {of} were cut at the limit of tokens: raise model.max_completion_tokens, or train "
        "stage=sft first where they would never end": counts.capped,
        f"{counts.empty} {of} are empty: check model.checkpoint, or train stage=sft first": counts.empty,
        f"{counts.looping} {of} repeat themselves: train stage=sft first": counts.looping,
        f"no answer can be read from {counts.unread} {of}, and {counts.formatted} keep the tags that the prompt asks "
        "for: train stage=sft first": counts.unread,
    }
    blamed = [text for text, count in faults.items() if count >= BLAMED_SHARE * counts.completions]
    return blamed[0] if blamed else None


def _fault_of_reward(counts: SignalCounts) -> str | None:
    """Groups of right and wrong answers that are paid alike."""
    if counts.mixed - counts.with_signal < BLAMED_SHARE * counts.without_signal:
        return None
    return (
        f"right and wrong answers are paid alike, and {counts.mixed} of {counts.groups} groups have both: look at the "
        "terms and weights of the reward"
    )


def _fault_of_difficulty(counts: SignalCounts) -> str:
    if counts.right == counts.completions:
        also = "" if "process" in counts.varied else ", or a reward that also reads the reasoning"
        return f"everything is right already: take harder questions{also}"
    if counts.right == 0:
        return "everything is wrong: train stage=sft longer, or take easier questions"
    accuracy, size = counts.right / counts.completions, counts.group_size
    expected, alike = alike_share(accuracy, size), (counts.all_zero + counts.all_one) / counts.groups
    if expected >= BLAMED_SHARE * alike:
        larger = _sufficient_size(accuracy, size)
        ways = [f"stage.group_size={larger}"] if larger else []
        ways.append(f"{'harder' if accuracy > 0.5 else 'easier'} questions")
        return (
            f"at an accuracy of {accuracy:.2f} groups of {size} are all right or all wrong with probability "
            f"{expected:.2f}: take {' or '.join(ways)}"
        )
    return (
        f"each question is answered alike every time, all right in {counts.all_one} of {counts.groups} groups and all "
        f"wrong in {counts.all_zero}: raise stage.temperature, or take questions that are neither too easy nor too hard"
    )


def _sufficient_size(accuracy: float, size: int) -> int | None:
    """The next doubling of the group in which more than half of the groups would be mixed."""
    while size < LARGEST_GROUP:
        size *= 2
        if alike_share(accuracy, size) < BLAMED_SHARE:
            return size
    return None
