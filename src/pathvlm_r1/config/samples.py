"""What may be asked of completions that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.judge import JudgeConfig
from pathvlm_r1.config.reward import RewardConfig
from pathvlm_r1.config.rules import ConfigError, require, require_positive, require_text
from pathvlm_r1.config.run import require_judge_of_terms, without
from pathvlm_r1.config.splits import Split
from pathvlm_r1.config.typed import checked


@dataclass(frozen=True, kw_only=True)
class RescoreConfig:
    """Rewards of completions that are there; the values stand in `conf/eval.yaml` and `conf/task/rescore.yaml`."""

    task: Literal["rescore"]
    run: str | None
    completions: str | None
    verify: bool
    ask: bool
    bins: int
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
        named = [key for key in ("run", "completions") if getattr(self, key) is not None]
        if len(named) != 1:
            raise ConfigError(
                f"task=rescore: {' and '.join(f'{key}={getattr(self, key)}' for key in named) or 'nothing is named'}; "
                "give either run=, the folder of a GRPO run, or completions=, a file from elsewhere"
            )
        for key in (*named, *(["out"] if self.out is not None else [])):
            require_text(getattr(self, key), key)
        require_positive(self.bins, "bins")
        require(not (self.verify and self.ask), "ask", self.ask, "not together with verify=true, which asks no judge")
        if self.ask:
            require(
                self.reward.process is not None, "reward", self.reward.name, "needs the process term, with ask=true"
            )
        if self.run is None:
            require_judge_of_terms(self.reward, self.judge, self.dataset)
