"""What may be asked of whole datasets: the tasks of `src/data.py`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.rules import require_positive, require_text
from pathvlm_r1.config.splits import Split
from pathvlm_r1.config.typed import checked

Policy = Literal["stop", "drop"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A look at a dataset; the values stand in `conf/data.yaml` and `conf/task/show.yaml`."""

    dataset: DatasetConfig
    task: Literal["show"]
    format: Literal["sheet", "jsonl"]
    split: Split
    n: int
    out: str | None

    @classmethod
    def checked(cls, composed: DictConfig) -> DataConfig:
        """The configuration of `src/data.py`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_positive(self.n, "n")
        _require_out(self.out)


@dataclass(frozen=True, kw_only=True)
class VerifyConfig:
    """Opening all that a dataset has; the values stand in `conf/data.yaml` and `conf/task/verify.yaml`."""

    dataset: DatasetConfig
    task: Literal["verify"]
    policy: Policy
    workers: int | None
    out: str | None

    @classmethod
    def checked(cls, composed: DictConfig) -> VerifyConfig:
        """The configuration of `src/data.py task=verify`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        _require_workers(self.workers)
        _require_out(self.out)


def _require_workers(workers: int | None) -> None:
    if workers is not None:
        require_positive(workers, "workers")


def _require_out(out: str | None) -> None:
    if out is not None:
        require_text(out, "out")
