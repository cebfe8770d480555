"""What the sampling of completions and their evaluation may be asked."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from pathvlm_r1.config.engines import FILTERS_OFF, Filter
from pathvlm_r1.config.rules import require, require_positive, require_text


@dataclass(frozen=True, kw_only=True)
class LocalRolloutConfig:
    """Sampling in the trainer's own process; the values stand in `conf/rollout/{native,hf}.yaml`."""

    name: Literal["native", "hf"]
    rows_per_batch: int
    async_judge: bool

    def __post_init__(self) -> None:
        require(self.rows_per_batch >= 1, "rollout.rows_per_batch", self.rows_per_batch, "at least 1 completion")


@dataclass(frozen=True, kw_only=True)
class CorrectionConfig:
    """How a loss is corrected for another engine's log-probs; the values stand in `conf/rollout/vllm.yaml`."""

    level: Literal["token", "sequence", "geometric"]
    beyond: Literal["truncate", "mask"]
    low: float
    high: float

    def __post_init__(self) -> None:
        require(0 <= self.low <= 1, "rollout.correction.low", self.low, "from 0 to 1: equal log-probs have weight 1")
        require(self.high >= 1, "rollout.correction.high", self.high, "at least 1: equal log-probs have weight 1")


@dataclass(frozen=True, kw_only=True)
class VLLMRolloutConfig:
    """Sampling by a vLLM server; the values stand in `conf/rollout/vllm.yaml`."""

    name: Literal["vllm"]
    url: str
    model: str
    rows_per_batch: int
    async_judge: bool
    timeout_seconds: float
    attempts: int
    weight_sync: Literal["none", "adapter", "reload"]
    sync_folder: str
    correction: CorrectionConfig | None
    max_mismatch: float

    def __post_init__(self) -> None:
        is_http = self.url.startswith(("http://", "https://"))
        require(is_http, "rollout.url", self.url, "an address that begins with http:// or https://")
        require_text(self.model, "rollout.model")
        require(self.rows_per_batch >= 1, "rollout.rows_per_batch", self.rows_per_batch, "at least 1 completion")
        require_positive(self.timeout_seconds, "rollout.timeout_seconds")
        require_positive(self.attempts, "rollout.attempts")
        require_text(self.sync_folder, "rollout.sync_folder")
        require_positive(self.max_mismatch, "rollout.max_mismatch")

    def require_sync(self, adapter: str, *, is_training: bool) -> None:
        """Refuse a way of updating weights that does not fit the policy.

        Args:
            adapter: `lora` or `full`; an evaluation has merged weights, which are `full`.
            is_training: weights change, and a server that gets none has others.

        Raises:
            ConfigError: another way is needed; the message names it.
        """
        fitting = {"lora": "adapter", "full": "reload"}[adapter]
        rule = f"{fitting}, as " + (f"adapter={adapter}" if is_training else "weights are merged for an evaluation")
        may_be_none = not is_training and self.weight_sync == "none"
        require(self.weight_sync == fitting or may_be_none, "rollout.weight_sync", self.weight_sync, rule)


RolloutConfig = LocalRolloutConfig | VLLMRolloutConfig


@dataclass(frozen=True, kw_only=True)
class EvaluationConfig:
    """How answers are generated for scoring; the values stand in `conf/evaluation/{greedy,sampled}.yaml`."""

    measure: Literal["answers"]
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


@dataclass(frozen=True, kw_only=True)
class ForcedChoiceConfig:
    """How option letters are compared; the values stand in `conf/evaluation/forced_choice.yaml`."""

    measure: Literal["forced_choice"]
    name: str
    prefix: str
    replicates: int

    def __post_init__(self) -> None:
        require_text(self.name, "evaluation.name")
        require(self.replicates >= 1, "evaluation.replicates", self.replicates, "at least 1 bootstrap resample")


@dataclass(frozen=True, kw_only=True)
class JudgeQualityConfig:
    """How the quality of greedy answers is judged; the values stand in `conf/evaluation/judge_quality.yaml`."""

    measure: Literal["judge_quality"]
    name: str
    n: int
    replicates: int

    def __post_init__(self) -> None:
        require_text(self.name, "evaluation.name")
        require_positive(self.n, "evaluation.n")
        require(self.replicates >= 1, "evaluation.replicates", self.replicates, "at least 1 bootstrap resample")


MeasureConfig = EvaluationConfig | ForcedChoiceConfig | JudgeQualityConfig

GREEDY_ANSWERS = EvaluationConfig(
    measure="answers", name="greedy", temperature=0.0, top_k=0, top_p=1.0, min_p=0.0, samples=1, replicates=1
)  # what the quality of answers is judged on
