"""What may be asked of whole datasets: the tasks of `src/data.py`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.mixture import DIVIDED, MixtureConfig
from pathvlm_r1.config.model import ModelConfig
from pathvlm_r1.config.rules import ConfigError, require, require_positive, require_seed, require_text_if_any
from pathvlm_r1.config.splits import OpenSplit, Policy
from pathvlm_r1.config.typed import Keys, checked
from pathvlm_r1.data.integrity import BITS, KEY_NAMES

NESTED_ROLES = ("sft", "rl")  # of train_sft and train_rl
ROLES = (*(f"train_{name}" for name in NESTED_ROLES), "validation", "development", "sealed_test")
RoleSizes = Annotated[Mapping[str, float], Keys(lambda: ROLES, are_required=False)]
NestedSizes = Annotated[Mapping[str, tuple[int, ...]], Keys(lambda: NESTED_ROLES, are_required=False)]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A look at a dataset; the values stand in `conf/data.yaml` and `conf/task/show.yaml`."""

    dataset: DatasetConfig
    model: ModelConfig  # whose prompts are shown
    task: Literal["show"]
    format: Literal["sheet", "jsonl"]
    split: OpenSplit
    n: int
    out: str | None

    @classmethod
    def checked(cls, composed: DictConfig) -> DataConfig:
        """The configuration of `src/data.py`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_positive(self.n, "n")
        require_text_if_any(self.out, "out")


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Opening all that a dataset has; the values stand in `conf/data.yaml` and `conf/task/verify.yaml`."""

    dataset: DatasetConfig
    task: Literal["verify"]
    policy: Policy
    stop_at: Literal["defect", "warning"]
    workers: int | None
    out: str | None

    @classmethod
    def checked(cls, composed: DictConfig) -> VerifyConfig:
        """The configuration of `src/data.py task=verify`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        is_stopping = self.policy == "stop" or self.stop_at == "defect"
        require(is_stopping, "stop_at", self.stop_at, "goes with policy=stop: policy=drop stops at nothing")
        _require_workers(self.workers)
        require_text_if_any(self.out, "out")


@dataclass(frozen=True, kw_only=True)
class SplitConfig:
    """Splits that share no picture; the values stand in `conf/data.yaml` and `conf/task/split.yaml`."""

    dataset: DatasetConfig
    task: Literal["split"]
    sizes: RoleSizes
    nested: NestedSizes
    keys: tuple[str, ...]
    near_threshold: int
    name_parts: int
    case_pattern: str | None
    policy: Policy
    workers: int | None
    seed: int
    out: str

    @classmethod
    def checked(cls, composed: DictConfig) -> SplitConfig:
        """The configuration of `src/data.py task=split`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require(not isinstance(self.dataset, MixtureConfig), "dataset", self.dataset.name, DIVIDED)
        for role, size in self.sizes.items():
            rule = "0 or more: a whole number of questions, or below 1 a share of all"
            require(size >= 0 and (size < 1 or size == int(size)), f"sizes.{role}", size, rule)
        for role, sizes in self.nested.items():
            require(all(size >= 1 for size in sizes), f"nested.{role}", sizes, "whole numbers of at least 1")
        require_sharing(self.keys, self.near_threshold, self.name_parts, self.case_pattern)
        require_seed(self.seed, "seed")
        _require_workers(self.workers)
        require_text_if_any(self.out, "out")


@dataclass(frozen=True, kw_only=True)
class AuditConfig:
    """Overlaps and text-only floors; the values stand in `conf/data.yaml` and `conf/task/audit.yaml`."""

    dataset: DatasetConfig
    task: Literal["audit"]
    against: tuple[str, ...]
    pretraining: str | None
    keys: tuple[str, ...]
    near_threshold: int
    name_parts: int
    case_pattern: str | None
    folds: int
    workers: int | None
    seed: int
    out: str

    @classmethod
    def checked(cls, composed: DictConfig) -> AuditConfig:
        """The configuration of `src/data.py task=audit`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_sharing(self.keys, self.near_threshold, self.name_parts, self.case_pattern)
        require(self.folds >= 2, "folds", self.folds, "at least 2: what is learnt on all cannot be tried on others")
        names = [name.partition(":")[0] for name in self.against]
        require(self.dataset.name not in names, "against", self.against, "other datasets than the one chosen")
        require_seed(self.seed, "seed")
        _require_workers(self.workers)
        require_text_if_any(self.out, "out")
        require(self.out.endswith(".html"), "out", self.out, "a name that ends in .html; the JSON stands beside it")


def require_sharing(keys: Sequence[str], near_threshold: int, name_parts: int, case_pattern: str | None) -> None:
    """Refuse keys by which pictures cannot be compared."""
    unknown = [key for key in keys if key not in KEY_NAMES]
    require(not unknown and len(set(keys)) == len(keys), "keys", keys, f"each once, of {', '.join(KEY_NAMES)}")
    require(0 <= near_threshold < BITS // 2, "near_threshold", near_threshold, f"from 0 to {BITS // 2 - 1} bits")
    require_positive(name_parts, "name_parts")
    require(
        ("case" in keys) == (case_pattern is not None), "case_pattern", case_pattern, "goes with case among the keys"
    )
    if case_pattern is not None:
        try:
            re.compile(case_pattern)
        except re.error as error:
            raise ConfigError(f"case_pattern={case_pattern}: no regular expression ({error})") from error


def _require_workers(workers: int | None) -> None:
    if workers is not None:
        require_positive(workers, "workers")
