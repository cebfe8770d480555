"""A verdict: what a judge decided about one completion, why, and where that came from."""

from __future__ import annotations

from dataclasses import dataclass

from pathvlm_r1.reward.rubric import RubricEvents


@dataclass(frozen=True, kw_only=True)
class Provenance:
    """Who decided, under which versions, and what it cost."""

    judge: str  # its name in the configuration
    model: str | None = None  # as the server names it; None for a judge that is no model
    revision: str | None = None  # likewise
    prompt: str | None = None  # version of the prompt
    schema: str | None = None  # version of the answer's form
    is_cached: bool = False  # paid before, or for another completion of the same batch
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float = 0.0  # of the answer; attempts without one stand in the ledger alone


@dataclass(frozen=True)
class Verdict:
    """The events of one completion's reasoning, or none with the reason."""

    events: RubricEvents | None  # None: no verdict, which is not a zero
    reason: str
    provenance: Provenance
    unfound: tuple[str, ...] = ()  # events called present whose evidence does not stand in the completion
