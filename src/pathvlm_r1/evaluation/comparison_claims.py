"""What may be claimed of a comparison, in words that follow from its numbers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The numbers that decide what may be said of run b against run a."""

    metric: str
    difference: float  # b minus a, as shares
    low: float
    high: float
    p: float  # of the bootstrap of images
    mcnemar_p: float | None  # exact; None of a graded metric
    p_holm: float  # of the larger of both, over `family` rows
    family: int
    detectable: float | None
    is_not_worse: bool  # by `margin` or more
    margin: float
    confidence: float
    power: float

    @property
    def is_apart(self) -> bool:
        """Whether the interval excludes 0."""
        return self.low > 0 or self.high < 0

    @property
    def is_claimed(self) -> bool:
        """Whether every test agrees that there is a difference."""
        return self.is_apart and self.p_holm <= 1 - self.confidence


def claim(evidence: Evidence) -> str:
    """One or two sentences: the difference, or what the set could have told; and whether b is not worse.

    A difference is claimed where the interval of the bootstrap excludes 0 and the larger p of bootstrap and exact
    McNemar, corrected for the rows of the table, is at most 1 - confidence. "No detectable difference" always stands
    beside what could have been detected, and never means "equal": that is what the margin is for.
    """
    if not evidence.is_claimed:
        reason = _not_claimed(evidence) if evidence.is_apart else _not_apart(evidence)
        return f"{reason} {_not_worse(evidence)}"
    said = f"{_numbers(evidence)}, {_p(evidence)}."
    if evidence.difference > 0:
        return f"b is better than a in {evidence.metric}: {said}"
    return f"b is worse than a in {evidence.metric}: {said} {_not_worse(evidence)}"


def points(share: float) -> str:
    """A difference of shares in points, with its sign."""
    return f"{100 * share:+.1f}"


def _not_apart(evidence: Evidence) -> str:
    return f"No detectable difference in {evidence.metric}: {_numbers(evidence)}; {_detectable(evidence)}."


def _not_claimed(evidence: Evidence) -> str:
    """The interval excludes 0, and another test does not agree."""
    limit = 1 - evidence.confidence
    if evidence.mcnemar_p is not None and evidence.mcnemar_p > limit:
        against = f"the exact McNemar test does not agree (p {evidence.mcnemar_p:.2g})"
    elif evidence.p > limit:
        against = f"its p is {evidence.p:.2g}"
    else:
        against = f"among {evidence.family} differences looked at it may be chance (p {evidence.p_holm:.2g} by Holm)"
    return (
        f"No difference in {evidence.metric} may be claimed: {_numbers(evidence)} excludes 0, but {against}; "
        f"{_detectable(evidence)}."
    )


def _not_worse(evidence: Evidence) -> str:
    margin = f"{100 * evidence.margin:g} points"
    if evidence.is_not_worse:
        return f"b is not worse than a by {margin} or more."
    return f"A loss of {margin} is not excluded."


def _numbers(evidence: Evidence) -> str:
    return f"{points(evidence.difference)} points [{points(evidence.low)}, {points(evidence.high)}]"


def _p(evidence: Evidence) -> str:
    if evidence.family == 1:
        return f"p {evidence.p_holm:.2g}"
    return f"p {evidence.p_holm:.2g} by Holm over {evidence.family} differences"


def _detectable(evidence: Evidence) -> str:
    if evidence.detectable is None:
        return "this set is too small to detect any"
    return f"this set can detect {100 * evidence.detectable:.1f} points (power {100 * evidence.power:.0f} %)"
