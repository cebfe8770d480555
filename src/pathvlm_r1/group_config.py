"""What the groups of a run but its stage may be asked: model, adapter, dataset, reward, generation, logger and task."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from math import isclose
from typing import Annotated, Literal

from pathvlm_r1.data.phantom.ontology import ONTOLOGIES
from pathvlm_r1.data.rationale import Style
from pathvlm_r1.data.sample import LETTERS
from pathvlm_r1.typed_config import Keys, require

SPLITS = ("sft", "rl", "validation", "test")
EMBEDDED = "embedded"  # the value of `model.checkpoint` that stands for the one inside the package

Split = Literal["sft", "rl", "validation", "test"]
StyleShares = Annotated[Mapping[str, float], Keys(lambda: [style.value for style in Style])]
SplitSizes = Annotated[Mapping[str, int], Keys(lambda: SPLITS)]


@dataclass(frozen=True, kw_only=True)
class SFTRecipe:
    """What the SFT stage takes from the model by default; the values stand in `conf/model/*.yaml`."""

    learning_rate: float
    max_steps: int
    rows_per_step: int
    rows_per_forward: int
    validation_every: int

    def __post_init__(self) -> None:
        require_all_positive(self, "model.recipe.sft")


@dataclass(frozen=True, kw_only=True)
class GRPORecipe:
    """What the GRPO stage takes from the model by default; the values stand in `conf/model/*.yaml`."""

    learning_rate: float
    max_steps: int
    prompts_per_step: int
    rows_per_forward: int

    def __post_init__(self) -> None:
        require_all_positive(self, "model.recipe.grpo")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Rates, steps and batches that suit a model; the values stand in `conf/model/*.yaml`."""

    sft: SFTRecipe
    grpo: GRPORecipe


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """Which weights and how much they read and write; the values stand in `conf/model/*.yaml`."""

    name: str
    checkpoint: str
    max_pixels: int
    max_completion_tokens: int
    gradient_checkpointing: bool
    recipe: Recipe

    def __post_init__(self) -> None:
        require_text(self.name, "model.name")
        require_text(self.checkpoint, "model.checkpoint")
        require(self.max_pixels >= 784, "model.max_pixels", self.max_pixels, "at least 784: 28 x 28 is one token")
        require(
            self.max_completion_tokens >= 8,
            "model.max_completion_tokens",
            self.max_completion_tokens,
            "at least 8: a shorter completion cannot hold an answer",
        )


@dataclass(frozen=True, kw_only=True)
class FullConfig:
    """Every weight of the language model trains; the values stand in `conf/adapter/full.yaml`."""

    name: Literal["full"]
    train_vision: bool


@dataclass(frozen=True, kw_only=True)
class LoRAConfig:
    """Low-rank adapters train; the values stand in `conf/adapter/lora.yaml`."""

    name: Literal["lora"]
    r: int
    alpha: int
    dropout: float
    target: str

    def __post_init__(self) -> None:
        require(self.r >= 1, "adapter.r", self.r, "at least 1, the rank of an adapter")
        require(self.alpha >= 1, "adapter.alpha", self.alpha, "at least 1: alpha / r scales what an adapter adds")
        require(0 <= self.dropout < 1, "adapter.dropout", self.dropout, "from 0 to below 1")
        require(_is_regex(self.target), "adapter.target", self.target, "a regular expression over names of layers")
        require(
            "language_model" in self.target,
            "adapter.target",
            self.target,
            "must name language_model: a bare suffix would match the vision tower's layers too",
        )


@dataclass(frozen=True, kw_only=True)
class PhantomConfig:
    """Digital phantoms of one modality; the values stand in `conf/dataset/phantom*.yaml`."""

    name: str
    kind: Literal["phantom"]
    modality: str
    seed: int
    image_size: int
    splits: SplitSizes
    style_shares: StyleShares
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_text(self.name, "dataset.name")
        require(self.modality in ONTOLOGIES, "dataset.modality", self.modality, f"one of {', '.join(ONTOLOGIES)}")
        require_seed(self.seed, "dataset.seed")
        require(self.image_size >= 28, "dataset.image_size", self.image_size, "at least 28: 28 x 28 is one token")
        for split, size in self.splits.items():
            require(size >= 1, f"dataset.splits.{split}", size, "at least 1 question")
        require_shares(self.style_shares, "dataset.style_shares")


@dataclass(frozen=True, kw_only=True)
class BCCDConfig:
    """Photographs of blood smears with counts; the values stand in `conf/dataset/bccd.yaml`."""

    name: str
    kind: Literal["bccd"]
    root: str
    seed: int
    rl_share: float
    style_shares: StyleShares
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_text(self.name, "dataset.name")
        require_text(self.root, "dataset.root")
        require_seed(self.seed, "dataset.seed")
        require(0 < self.rl_share < 1, "dataset.rl_share", self.rl_share, "between 0 and 1: SFT and RL both need some")
        require_shares(self.style_shares, "dataset.style_shares")


DatasetConfig = PhantomConfig | BCCDConfig
AdapterConfig = FullConfig | LoRAConfig


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
class RewardConfig:
    """The terms of the reward, None for one that is left out; the values stand in `conf/reward/*.yaml`."""

    name: str
    accuracy: AccuracyConfig | None
    format: FormatConfig | None
    process: ProcessConfig | None
    missing: Literal["group_mean", "drop_term"]

    def __post_init__(self) -> None:
        require_text(self.name, "reward.name")
        terms = {"accuracy": self.accuracy, "format": self.format, "process": self.process}
        weights = {name: term.weight for name, term in terms.items() if term is not None}
        require(any(weights.values()), "reward.*.weight", weights, "at least one term needs a weight above 0")


@dataclass(frozen=True, kw_only=True)
class JudgeConfig:
    """Who decides the events of the process term; the values stand in `conf/judge/*.yaml`."""

    name: Literal["oracle", "none"]


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
