"""What the sampling of completions and their evaluation may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.rules import require, require_text


@dataclass(frozen=True, kw_only=True)
class RolloutConfig:
    """How completions are sampled; the values stand in `conf/rollout/*.yaml`."""

    name: Literal["native"]
    rows_per_batch: int

    def __post_init__(self) -> None:
        require(self.rows_per_batch >= 1, "rollout.rows_per_batch", self.rows_per_batch, "at least 1 completion")


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How answers are generated for scoring; the values stand in `conf/evaluation/*.yaml`."""

    name: str
    temperature: float
    top_p: float
    samples: int
    replicates: int

    def __post_init__(self) -> None:
        require_text(self.name, "evaluation.name")
        require(self.temperature >= 0, "evaluation.temperature", self.temperature, "0 or more: 0 is greedy")
        require(0 < self.top_p <= 1, "evaluation.top_p", self.top_p, "above 0 and at most 1: 1 keeps every token")
        require(self.samples >= 1, "evaluation.samples", self.samples, "at least 1 decode per question")
        require(self.replicates >= 1, "evaluation.replicates", self.replicates, "at least 1 bootstrap resample")
