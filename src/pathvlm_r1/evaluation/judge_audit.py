"""The audit of a judge: its verdicts on completions whose events are known, in counts, shares and cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation.agreement import (
    EventAgreement,
    ScoreAgreement,
    Stability,
    event_agreement,
    score_agreement,
    stability,
)
from pathvlm_r1.reward import EVENTS, RubricEvents, Score, process_score


@dataclass(frozen=True, kw_only=True)
class AskingCost:
    """What verdicts cost that were asked for anew: neither answered before, nor equal to one asked beside them."""

    asked: int
    usd: float
    seconds: float  # of the whole audit's asking
    usd_per_1000: float | None  # None where nothing was asked anew
    seconds_per_1000: float | None


@dataclass(frozen=True, kw_only=True)
class JudgeAudit:
    """What is known of a judge after it was asked about completions, each as often."""

    completions: int
    pictures: int
    repeats: int
    missing: Sequence[int]  # completions without a verdict, each time
    reasons: Mapping[str, int]  # of missing verdicts, over all times, the most frequent first
    unfound_evidence: int  # events called present without their evidence, over all times
    compared: int  # completions with a verdict the first time, which what follows is of
    events: Sequence[EventAgreement]
    score: ScoreAgreement | None  # None without any verdict
    stability: Stability | None  # None of a single time
    cost: AskingCost


@dataclass(frozen=True)
class ProcessRule:
    """How events make a process score."""

    coefficient: float
    weights: Mapping[str, float] | None

    def score(self, events: RubricEvents) -> float:
        """In [0, 1]."""
        return process_score(events, self.coefficient, self.weights)


def measure_judge(
    repeats: Sequence[Sequence[Score]], true: Sequence[RubricEvents], images: Sequence[str], *, rule: ProcessRule,
    seconds: float, seed: int, replicates: int,
) -> JudgeAudit:  # fmt: skip
    """Hold a judge's verdicts against the truth, and against each other.

    Args:
        repeats: T times N scores of the process term, in one order.
        true: N events.
        images: N image ids.
        rule: that the scores were made by.
        seconds: that all the asking took.
        seed: of every bootstrap.
        replicates: resamples of the images.
    """
    scores = np.array([[_value(score) for score in time] for time in repeats])  # [T, N]
    has = ~np.isnan(scores[0])
    told = np.array([[_events(score) for score in time] for time in repeats], dtype=bool)  # [T, N, 6]
    truth = np.array([list(events.to_dict().values()) for events in true], dtype=bool)  # [N, 6]
    pictures = [image for image, is_judged in zip(images, has, strict=True) if is_judged]
    reasons = Counter(score.reason for time in repeats for score in time if score.events is None)
    return JudgeAudit(
        completions=len(true), pictures=len(set(images)), repeats=len(repeats),
        missing=[int(np.isnan(time).sum()) for time in scores], reasons=dict(reasons.most_common()),
        unfound_evidence=sum(len(score.verdict.unfound) for time in repeats for score in time if score.verdict),
        compared=int(has.sum()),
        events=[
            event_agreement(name, told[0, has, at], truth[has, at], pictures, seed=seed, replicates=replicates)
            for at, name in enumerate(EVENTS)
        ],
        score=score_agreement(
            scores[0, has], np.array([rule.score(events) for events in true])[has], pictures,
            seed=seed, replicates=replicates,
        ),
        stability=stability(told, scores) if len(repeats) > 1 else None,
        cost=_cost([score for time in repeats for score in time], seconds),
    )  # fmt: skip


def _events(score: Score) -> list[bool]:
    """Six of them; without a verdict they are never looked at."""
    return [False] * len(EVENTS) if score.events is None else list(score.events.to_dict().values())


def _value(score: Score) -> float:
    """NaN without a verdict, be it that a text too long is scored without one."""
    return np.nan if score.events is None or score.value is None else score.value


def _cost(scores: Sequence[Score], seconds: float) -> AskingCost:
    verdicts = [score.verdict for score in scores if score.verdict is not None]
    usd = sum(single.provenance.cost_usd for verdict in verdicts for single in verdict.single)
    asked = sum(any(not single.provenance.is_cached for single in verdict.single) for verdict in verdicts)
    return AskingCost(
        asked=asked, usd=usd, seconds=seconds,
        usd_per_1000=usd / asked * 1000 if asked else None, seconds_per_1000=seconds / asked * 1000 if asked else None,
    )  # fmt: skip
