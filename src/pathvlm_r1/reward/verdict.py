"""A verdict: what a judge decided about one completion, why, and where that came from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import combinations
from statistics import fmean

from pathvlm_r1.reward.rubric import EVENTS, RubricEvents, process_score


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who decided, under which versions, and what it cost."""

    judge: str  # its name in the configuration
    wraps: str | None = None  # the judge whose verdict it has garbled
    model: str | None = None  # as the server names it; None for a judge that is no model
    revision: str | None = None  # of the model as the server names it; of a judge with settings, their hash
    prompt: str | None = None  # version of the prompt
    schema: str | None = None  # version of the answer's form
    is_cached: bool = False  # paid before, or for another completion of the same batch
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0  # of the answer; attempts without one stand in the ledger alone


class Rule(StrEnum):
    """What several judges' verdicts make together."""

    MAJORITY = "majority"  # the score of the events that most of them see
    MEAN = "mean"  # the mean of their scores


@dataclass(frozen=True)
class Verdict:
    """The events of one completion's reasoning, or none with the reason."""

    events: RubricEvents | None  # None: no verdict, which is not a zero
    reason: str
    provenance: Provenance
    unfound: tuple[str, ...] = ()  # events called present whose evidence does not stand in the completion
    members: Mapping[str, Verdict] = field(default_factory=dict)  # of a panel, by their names in it
    rule: Rule | None = None  # of a panel

    @property
    def votes(self) -> tuple[RubricEvents, ...]:
        """What the members decided that have a verdict."""
        return tuple(member.events for member in self.members.values() if member.events is not None)

    @property
    def single(self) -> tuple[Verdict, ...]:
        """The verdicts that each one judge gave: the members', or this one."""
        return tuple(self.members.values()) or (self,)

    @property
    def disagreement(self) -> dict[str, float]:
        """Event -> the share of pairs of voting members that differ in it; empty where no two have voted."""
        pairs = list(combinations(self.votes, 2))
        return {name: fmean(getattr(a, name) != getattr(b, name) for a, b in pairs) for name in EVENTS if pairs}

    def score(self, coefficient: float, weights: Mapping[str, float] | None = None) -> float | None:
        """The process score: that of the events or, by a panel's rule, the mean of the voting members' scores.

        Args:
            coefficient: of `process_score`.
            weights: likewise.

        Returns:
            In [0, 1]; None without a verdict.
        """
        if self.events is None:
            return None
        scored = self.votes if self.rule is Rule.MEAN else (self.events,)
        return fmean(process_score(events, coefficient, weights) for events in scored)
