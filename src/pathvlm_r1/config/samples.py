"""What may be asked of completions that are there already."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.judge import JudgeConfig
from pathvlm_r1.config.reward import RewardConfig
from pathvlm_r1.config.rules import ConfigError, require, require_positive, require_text, require_text_if_any
from pathvlm_r1.config.run import require_judge_of_terms
from pathvlm_r1.config.splits import OpenSplit
from pathvlm_r1.config.typed import checked, resolved_without


@dataclass(frozen=True, kw_only=True)
class RescoreConfig:
    """Rewards of completions that are there; the values stand in `conf/eval.yaml` and `conf/task/rescore.yaml`."""

    task: Literal["rescore"]
    run: str | None
    completions: str | None
    verify: bool
    ask: bool
    bins: int
    split: OpenSplit
    out: str | None
    dataset: DatasetConfig
    reward: RewardConfig
    judge: JudgeConfig

    @classmethod
    def checked(cls, composed: DictConfig) -> RescoreConfig:
        """The configuration of `src/eval.py task=rescore`, less the keys that it does not read."""
        unread = ("model", "trainer", "rollout", "evaluation", "seed", "output")
        return checked(cls, resolved_without(composed, *unread))

    def __post_init__(self) -> None:
        require_source(self.task, self.run, self.completions)
        require_text_if_any(self.out, "out")
        require_positive(self.bins, "bins")
        require(not (self.verify and self.ask), "ask", self.ask, "not together with verify=true, which asks no judge")
        if self.ask:
            require(
                self.reward.process is not None, "reward", self.reward.name, "needs the process term, with ask=true"
            )
        if self.run is None:
            require_judge_of_terms(self.reward, self.judge, self.dataset)


def require_source(task: str, run: str | None, completions: str | None) -> None:
    """Refuse a task on completions that names no place of them, or two.

    Raises:
        ConfigError: says what to give.
    """
    named = {key: value for key, value in {"run": run, "completions": completions}.items() if value is not None}
    if len(named) != 1:
        raise ConfigError(
            f"task={task}: {' and '.join(f'{key}={value}' for key, value in named.items()) or 'nothing is named'}; "
            "give either run=, the folder of a GRPO run, or completions=, a file from elsewhere"
        )
    for key, value in named.items():
        require_text(value, key)
