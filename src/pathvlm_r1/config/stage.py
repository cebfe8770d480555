"""What the three stages may be asked: the base checkpoint, supervised fine-tuning, GRPO."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

from pathvlm_r1.config.rules import (
    require,
    require_positive,
    require_shares,
    require_text,
)
from pathvlm_r1.config.typed import Keys

EXERCISES = ("name_findings", "recall_fact", "conclude", "derive", "add_up", "look_up", "answer")
TrainingSplit = Literal["sft", "rl"]  # validation chooses and test reports: neither is learnt from
Init = Literal["auto", "base", "checkpoint"]
ExerciseShares = Annotated[Mapping[str, float], Keys(lambda: EXERCISES)]


@dataclass(frozen=True, kw_only=True)
class ArchitectureConfig:
    """The size of the nano model; the values stand in `conf/stage/pretrain.yaml`."""

    hidden: int
    layers: int
    vision_hidden: int
    vision_layers: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require_positive(value, f"stage.architecture.{name}")
        require(
            self.hidden % 32 == 0, "stage.architecture.hidden", self.hidden, "a multiple of 32, the width of a head"
        )
        require(
            self.vision_hidden % 24 == 0,
            "stage.architecture.vision_hidden",
            self.vision_hidden,
            "a multiple of 24, the width of a head",
        )


@dataclass(frozen=True, kw_only=True)
class VisionPhaseConfig:
    """The training of the nano model's vision tower; the values stand in `conf/stage/pretrain.yaml`."""

    max_steps: int
    pictures_per_step: int
    pictures: int
    learning_rate: float

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require_positive(value, f"stage.vision.{name}")


@dataclass(frozen=True, kw_only=True)
class LookUpPhaseConfig:
    """The nano model's lessons in looking up letters; the values stand in `conf/stage/pretrain.yaml`."""

    max_steps: int
    learning_rate: float
    rehearsed: int

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            require_positive(value, f"stage.look_up.{name}")


@dataclass(frozen=True, kw_only=True)
class PretrainConfig:
    """What the making of the base checkpoint may be asked; the values stand in `conf/stage/pretrain.yaml`."""

    name: Literal["pretrain"]
    learning_rate: float
    weight_decay: float
    warmup_share: float
    gradient_clip: float
    max_steps: int
    rows_per_step: int
    rows_per_forward: int
    pictures: int
    image_size: int
    vocabulary_size: int
    architecture: ArchitectureConfig
    vision: VisionPhaseConfig
    look_up: LookUpPhaseConfig
    shares: ExerciseShares

    def __post_init__(self) -> None:
        _require_optimisation(self)
        require_positive(self.rows_per_step, "stage.rows_per_step")
        require_positive(self.pictures, "stage.pictures")
        require(self.image_size >= 28, "stage.image_size", self.image_size, "at least 28 pixels a side")
        require(
            self.vocabulary_size >= 278,
            "stage.vocabulary_size",
            self.vocabulary_size,
            "at least 278: 256 bytes and 22 special tokens",
        )
        _require_warmup(self.warmup_share)
        require_shares(self.shares, "stage.shares")


@dataclass(frozen=True, kw_only=True)
class SFTConfig:
    """What supervised fine-tuning may be asked; the values stand in `conf/stage/sft.yaml`."""

    name: Literal["sft"]
    arm: str
    split: TrainingSplit
    init: Init
    parent_seed: int
    learning_rate: float
    weight_decay: float
    warmup_share: float
    gradient_clip: float
    max_steps: int
    rows_per_step: int
    rows_per_forward: int
    validation_every: int
    validation_samples: int

    def __post_init__(self) -> None:
        require_text(self.arm, "stage.arm")
        _require_optimisation(self)
        _require_warmup(self.warmup_share)
        require_positive(self.rows_per_step, "stage.rows_per_step")
        _require_validation(self)


@dataclass(frozen=True, kw_only=True)
class GRPOConfig:
    """What the GRPO stage may be asked; the values stand in `conf/stage/grpo.yaml`."""

    name: Literal["grpo"]
    arm: str
    split: TrainingSplit
    init: Init
    parent_seed: int
    learning_rate: float
    weight_decay: float
    gradient_clip: float
    max_steps: int
    group_size: int
    prompts_per_step: int
    minibatches: int
    num_iterations: int
    tokens_per_forward: int | None
    packed_attention: Literal["mask", "flex"]
    beta: float
    kl_in: Literal["loss", "reward"]
    reference_every: int
    entropy_bonus: float
    top_entropy: float
    resample_rounds: int
    filter_truncated: bool
    temperature: float
    top_p: float
    top_k: int
    min_p: float
    validation_every: int
    validation_samples: int
    samples_every: int
    log_completions: bool
    signal_warning_steps: int
    cap_warning_share: float
    shuffle_rewards: bool

    def __post_init__(self) -> None:
        require_text(self.arm, "stage.arm")
        _require_optimisation(self)
        require(self.group_size >= 2, "stage.group_size", self.group_size, "at least 2: a group of one has no peers")
        require_positive(self.prompts_per_step, "stage.prompts_per_step")
        require_positive(self.minibatches, "stage.minibatches")
        require_positive(self.num_iterations, "stage.num_iterations")
        self._require_equal_minibatches()
        self._require_loss()
        require(self.resample_rounds >= 0, "stage.resample_rounds", self.resample_rounds, "0 or more: 0 never does")
        if self.tokens_per_forward is not None:
            require(
                self.tokens_per_forward >= 256, "stage.tokens_per_forward", self.tokens_per_forward,
                "at least 256, or null: found before the first step",
            )  # fmt: skip
        require(self.temperature > 0, "stage.temperature", self.temperature, "above 0: a greedy group is all alike")
        rule = (
            "{}, which is off: the loss follows the whole distribution, and completions of a part of it would bias it"
        )
        require(self.top_p == 1, "stage.top_p", self.top_p, rule.format("1"))
        require(self.top_k == 0, "stage.top_k", self.top_k, rule.format("0"))
        require(self.min_p == 0, "stage.min_p", self.min_p, rule.format("0"))
        _require_validation(self)
        require(self.samples_every >= 0, "stage.samples_every", self.samples_every, "0 or more: 0 logs no tables")
        require_positive(self.signal_warning_steps, "stage.signal_warning_steps")
        rule = "from 0 to 1: at 1 nothing is warned of"
        require(0 <= self.cap_warning_share <= 1, "stage.cap_warning_share", self.cap_warning_share, rule)

    def _require_loss(self) -> None:
        require(self.beta >= 0, "stage.beta", self.beta, "0 or more: it weighs the KL penalty")
        require(self.reference_every >= 0, "stage.reference_every", self.reference_every, "0 or more: 0 never does")
        require(
            self.beta > 0 or self.reference_every == 0, "stage.reference_every", self.reference_every,
            "0, as stage.beta=0 runs no reference",
        )  # fmt: skip
        require(self.entropy_bonus >= 0, "stage.entropy_bonus", self.entropy_bonus, "0 or more, per nat")
        require(0 < self.top_entropy <= 1, "stage.top_entropy", self.top_entropy, "above 0 and at most 1: 1 masks none")

    def _require_equal_minibatches(self) -> None:
        rows = self.prompts_per_step * self.group_size
        divisors = ", ".join(str(count) for count in range(1, rows + 1) if rows % count == 0)
        rule = f"must divide stage.prompts_per_step * stage.group_size = {rows}: one of {divisors}"
        require(rows % self.minibatches == 0, "stage.minibatches", self.minibatches, rule)


StageConfig = PretrainConfig | SFTConfig | GRPOConfig


def _require_optimisation(stage: StageConfig) -> None:
    """The ranges of the keys that every stage has."""
    require_positive(stage.learning_rate, "stage.learning_rate")
    require(stage.weight_decay >= 0, "stage.weight_decay", stage.weight_decay, "0 or more")
    require_positive(stage.gradient_clip, "stage.gradient_clip")
    require_positive(stage.max_steps, "stage.max_steps")
    if not isinstance(stage, GRPOConfig):
        require_positive(stage.rows_per_forward, "stage.rows_per_forward")


def _require_validation(stage: SFTConfig | GRPOConfig) -> None:
    require_positive(stage.validation_every, "stage.validation_every")
    require_positive(stage.validation_samples, "stage.validation_samples")


def _require_warmup(share: float) -> None:
    require(0 <= share < 1, "stage.warmup_share", share, "from 0 to below 1, a share of stage.max_steps")
