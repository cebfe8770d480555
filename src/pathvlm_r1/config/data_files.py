"""What may be asked of datasets as files: written for other programs, and fetched."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.rules import require_positive, require_text
from pathvlm_r1.config.splits import Policy, Split
from pathvlm_r1.config.typed import checked


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Writing a split for another program; the values stand in `conf/data.yaml` and `conf/task/export.yaml`."""

    dataset: DatasetConfig
    task: Literal["export"]
    target: Literal["llama_factory", "trl", "easyr1", "verl", "lmms_eval"]
    split: Split
    n: int | None
    policy: Policy
    out: str

    @classmethod
    def checked(cls, composed: DictConfig) -> ExportConfig:
        """The configuration of `src/data.py task=export`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        if self.n is not None:
            require_positive(self.n, "n")
        require_text(self.out, "out")
