"""Whether rewards hold a signal for GRPO, which learns from differences within groups: each word of it defined once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from pathvlm_r1.contract import Contract
from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.total import RewardTable


def is_without_signal(total: Tensor) -> Tensor:
    """Whether all rewards of a group are equal: then its advantages are 0, and it gives no gradient.

    Args:
        total: [B, G] total rewards.

    Returns:
        [B] bool.
    """
    return total.amax(dim=-1) == total.amin(dim=-1)


@dataclass(frozen=True)
class AccuracyKinds:
    """What the accuracy of each group is, [B] bool; exactly one of the three holds."""

    all_zero: Tensor
    all_one: Tensor
    mixed: Tensor


def accuracy_kinds(accuracy: Tensor) -> AccuracyKinds:
    """Which groups are all wrong, all right, or mixed, from accuracies [B, G]."""
    is_zero, is_one = (accuracy == 0).all(dim=-1), (accuracy == 1).all(dim=-1)
    return AccuracyKinds(is_zero, is_one, ~is_zero & ~is_one)


def correctness(groups: Sequence[Sequence[Completion]], rewards: RewardTable, contract: Contract) -> Tensor:
    """[B, G] the accuracy term; of a reward without it, 1 where the contract reads the reference answer, else 0."""
    if "accuracy" in rewards.terms:
        return rewards.terms["accuracy"]
    read = [[contract.parse(c.text, c.sample.options).answer == c.sample.answer for c in group] for group in groups]
    return torch.tensor(read, dtype=torch.float64)


@dataclass(frozen=True, kw_only=True)
class SignalCounts:
    """What groups and their completions have in them, counted; counts of several rollouts add up."""

    groups: int
    without_signal: int
    all_zero: int  # groups by accuracy, as the next two
    all_one: int
    mixed: int
    varied: Mapping[str, int]  # term -> groups in which its scores differ
    completions: int
    right: int
    formatted: int
    unread: int  # the contract found no answer
    capped: int
    empty: int
    looping: int

    def __add__(self, other: SignalCounts) -> SignalCounts:
        numbers = {
            field.name: getattr(self, field.name) + getattr(other, field.name)
            for field in fields(self)
            if field.name != "varied"
        }
        return SignalCounts(varied={name: self.varied[name] + other.varied[name] for name in self.varied}, **numbers)

    @property
    def with_signal(self) -> int:
        """Groups that give a gradient."""
        return self.groups - self.without_signal

    @property
    def group_size(self) -> int:
        """Completions per prompt."""
        return self.completions // self.groups


def signal_counts(groups: Sequence[Sequence[Completion]], rewards: RewardTable, contract: Contract) -> SignalCounts:
    """Count what B groups and their rewards have in them."""
    completions = [completion for group in groups for completion in group]
    parsed = [contract.parse(c.text, c.sample.options) for c in completions]
    accuracy = correctness(groups, rewards, contract)
    kinds = accuracy_kinds(accuracy)
    return SignalCounts(
        groups=len(groups),
        without_signal=_count(is_without_signal(rewards.total)),
        all_zero=_count(kinds.all_zero),
        all_one=_count(kinds.all_one),
        mixed=_count(kinds.mixed),
        varied={name: _count(_differs(scores)) for name, scores in rewards.terms.items()},
        completions=len(completions),
        right=_count(accuracy == 1),
        formatted=sum(one.is_formatted for one in parsed),
        unread=sum(one.answer is None for one in parsed),
        capped=sum(c.is_capped for c in completions),
        empty=sum(c.is_empty for c in completions),
        looping=sum(c.is_looping for c in completions),
    )


def _differs(scores: Tensor) -> Tensor:
    """[B] whether the scores [B, G] of a group differ, those without a verdict left out."""
    return scores.nan_to_num(nan=-torch.inf).amax(dim=-1) > scores.nan_to_num(nan=torch.inf).amin(dim=-1)


def _count(flags: Tensor) -> int:
    return int(flags.sum())
