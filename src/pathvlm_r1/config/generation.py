"""What the sampling of completions and their evaluation may be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pathvlm_r1.config.engines import FILTERS_OFF, Filter
from pathvlm_r1.config.rules import require, require_text


@dataclass(frozen=True, kw_only=True)
class LocalRolloutConfig:
    """Sampling in the trainer's own process; the values stand in `conf/rollout/{native,hf}.yaml`."""

    name: Literal["native", "hf"]
    rows_per_batch: int

    def __post_init__(self) -> None:
        require(self.rows_per_batch >= 1, "rollout.rows_per_batch", self.rows_per_batch, "at least 1 completion")


RolloutConfig = LocalRolloutConfig


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How answers are generated for scoring; the values stand in `conf/evaluation/*.yaml`."""

    name: str
    temperature: float
    top_k: int
    top_p: float
    min_p: float
    samples: int
    replicates: int

    def __post_init__(self) -> None:
        require_text(self.name, "evaluation.name")
        require(self.temperature >= 0, "evaluation.temperature", self.temperature, "0 or more: 0 is greedy")
        require(self.top_k >= 0, "evaluation.top_k", self.top_k, "0 or more: 0 keeps every token")
        require(0 < self.top_p <= 1, "evaluation.top_p", self.top_p, "above 0 and at most 1: 1 keeps every token")
        require(0 <= self.min_p <= 1, "evaluation.min_p", self.min_p, "from 0 to 1: 0 keeps every token")
        for name, value in self.filters.items():
            rule = f"{FILTERS_OFF[name]}, which is off: evaluation.temperature=0 takes the likeliest token in any case"
            require(self.temperature > 0, f"evaluation.{name}", value, rule)
        require(self.samples >= 1, "evaluation.samples", self.samples, "at least 1 decode per question")
        require(self.replicates >= 1, "evaluation.replicates", self.replicates, "at least 1 bootstrap resample")

    @property
    def filters(self) -> dict[Filter, float]:
        """Those of top-k, top-p and min-p that are on."""
        values: dict[Filter, float] = {"top_k": self.top_k, "top_p": self.top_p, "min_p": self.min_p}
        return {name: value for name, value in values.items() if value != FILTERS_OFF[name]}

    def greedy(self) -> EvaluationConfig:
        """The same with the likeliest tokens, once."""
        return replace(self, temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, samples=1)
