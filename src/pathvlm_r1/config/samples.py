"""What may be asked of samples, and of completions from outside that answer them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.config.dataset import DatasetConfig, Split
from pathvlm_r1.config.judge import JudgeConfig
from pathvlm_r1.config.reward import RewardConfig
from pathvlm_r1.config.rules import require_positive, require_text
from pathvlm_r1.config.run import require_judge_of_terms, without
from pathvlm_r1.config.typed import checked


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """A look at a dataset; the values stand in `conf/data.yaml`."""

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
        if self.out is not None:
            require_text(self.out, "out")


@dataclass(frozen=True, kw_only=True)
class RescoreConfig:
    """Rewards of completions from outside; the values stand in `conf/eval.yaml` and `conf/task/rescore.yaml`."""

    task: Literal["rescore"]
    completions: str
    split: Split
    out: str | None
    dataset: DatasetConfig
    reward: RewardConfig
    judge: JudgeConfig

    @classmethod
    def checked(cls, composed: DictConfig) -> RescoreConfig:
        """The configuration of `src/eval.py task=rescore`, less the keys that it does not read."""
        resolved = composed.copy()
        OmegaConf.resolve(resolved)  # a reward may take its limit of tokens from the model
        return checked(cls, without(resolved, "model", "trainer", "rollout", "evaluation", "seed", "output"))

    def __post_init__(self) -> None:
        require_text(self.completions, "completions")
        if self.out is not None:
            require_text(self.out, "out")
        require_judge_of_terms(self.reward, self.judge, self.dataset)
