"""What the reward and its terms may be asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.rules import require, require_text, require_weight


@dataclass(frozen=True, kw_only=True)
class AccuracyConfig:
    """The term for the right answer; the values stand in `conf/reward/*.yaml`."""

    weight: float
    letter_and_text: bool

    def __post_init__(self) -> None:
        require_weight(self.weight, "reward.accuracy.weight")


@dataclass(frozen=True, kw_only=True)
class FormatConfig:
    """The term for tags in order; the values stand in `conf/reward/*.yaml`."""

    weight: float

    def __post_init__(self) -> None:
        require_weight(self.weight, "reward.format.weight")


@dataclass(frozen=True, kw_only=True)
class ProcessConfig:
    """The term for the reasoning, which a judge reads; the values stand in `conf/reward/*.yaml`."""

    weight: float
    coefficient: float

    def __post_init__(self) -> None:
        require_weight(self.weight, "reward.process.weight")
        require(
            0 < self.coefficient <= 1,
            "reward.process.coefficient",
            self.coefficient,
            "above 0 and at most 1: what one missing step or one error costs",
        )


@dataclass(frozen=True, kw_only=True)
class OverlongConfig:
    """The penalty on length; the values stand in `conf/reward/*.yaml`."""

    weight: float
    max_tokens: int
    buffer_tokens: int

    def __post_init__(self) -> None:
        require_weight(self.weight, "reward.overlong.weight")
        require(
            0 < self.buffer_tokens <= self.max_tokens,
            "reward.overlong.buffer_tokens",
            self.buffer_tokens,
            f"above 0 and at most reward.overlong.max_tokens={self.max_tokens}",
        )


@dataclass(frozen=True, kw_only=True)
class RewardConfig:
    """The terms of the reward, None for one that is left out; the values stand in `conf/reward/*.yaml`."""

    name: str
    accuracy: AccuracyConfig | None
    format: FormatConfig | None
    process: ProcessConfig | None
    overlong: OverlongConfig | None
    missing: Literal["group_mean", "drop_term", "stop", "paper"]

    def __post_init__(self) -> None:
        require_text(self.name, "reward.name")
        require(any(self.weights.values()), "reward.*.weight", self.weights, "at least one term needs a weight above 0")

    @property
    def weights(self) -> dict[str, float]:
        """Of the terms that are not left out, by name."""
        terms = {
            "accuracy": self.accuracy, "format": self.format, "process": self.process, "overlong": self.overlong,
        }  # fmt: skip
        return {name: term.weight for name, term in terms.items() if term is not None}
