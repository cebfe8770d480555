"""What may be asked of judges: to be held against the truth, alone or over the trainings that they have rewarded."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.judge import JudgeConfig, paid_judges, require_judge_ranges
from pathvlm_r1.config.reward import RewardConfig
from pathvlm_r1.config.rules import require, require_positive, require_seed, require_text, require_text_if_any
from pathvlm_r1.config.run import JUDGES_BY_DATASET, require_judge_of_terms
from pathvlm_r1.config.samples import require_source
from pathvlm_r1.config.splits import OpenSplit
from pathvlm_r1.config.typed import checked, resolved_without


@dataclass(frozen=True, kw_only=True)
class JudgeAuditConfig:
    """A judge held against the truth; the values stand in `conf/eval.yaml` and `conf/task/judge_audit.yaml`."""

    task: Literal["judge_audit"]
    run: str | None
    completions: str | None
    split: OpenSplit
    against: Literal["oracle", "ratings"]
    n: int
    repeats: int
    replicates: int
    out: str | None
    dataset: DatasetConfig
    reward: RewardConfig
    judge: JudgeConfig
    seed: int

    @classmethod
    def checked(cls, composed: DictConfig) -> JudgeAuditConfig:
        """The configuration of `src/eval.py task=judge_audit`, less the keys that it does not read."""
        return checked(cls, resolved_without(composed, "model", "trainer", "rollout", "evaluation", "output"))

    def __post_init__(self) -> None:
        require_source(self.task, self.run, self.completions)
        require_text_if_any(self.out, "out")
        require_positive(self.n, "n")
        require_positive(self.repeats, "repeats")
        require_positive(self.replicates, "replicates")
        require_seed(self.seed, "seed")
        is_rated = self.against == "ratings"
        require(not (is_rated and self.run), "against", self.against, "oracle with run=: its log holds no ratings")
        require(self.reward.process is not None, "reward", self.reward.name, "needs the process term, which is judged")
        if self.run is None:
            self.require_judges(self.dataset)

    def require_judges(self, dataset: DatasetConfig) -> None:
        """Refuse a judge, or a truth, that the dataset does not have.

        Raises:
            ConfigError: names the key.
        """
        require_judge_of_terms(self.reward, self.judge, dataset)
        has_truth = self.against != "oracle" or "oracle" in JUDGES_BY_DATASET[dataset.kind]
        rule = f"ratings: dataset={dataset.name} has no findings that an oracle could hold a reasoning against"
        require(has_truth, "against", self.against, rule)


@dataclass(frozen=True, kw_only=True)
class OveroptimisationConfig:
    """Runs by two judges; the values stand in `conf/eval.yaml` and `conf/task/overoptimisation.yaml`."""

    task: Literal["overoptimisation"]
    runs: str
    bins: int
    replicates: int
    out: str | None
    reward: RewardConfig
    judge: JudgeConfig
    seed: int

    @classmethod
    def checked(cls, composed: DictConfig) -> OveroptimisationConfig:
        """The configuration of `src/eval.py task=overoptimisation`, less the keys that it does not read."""
        unread = ("model", "dataset", "trainer", "rollout", "evaluation", "output")
        return checked(cls, resolved_without(composed, *unread))

    def __post_init__(self) -> None:
        require_text(self.runs, "runs")
        require_positive(self.bins, "bins")
        require_positive(self.replicates, "replicates")
        require_seed(self.seed, "seed")
        require_text_if_any(self.out, "out")
        require(self.reward.process is not None, "reward", self.reward.name, "needs the process term, which is judged")
        require_judge_ranges(self.judge)
        is_free = not paid_judges(self.judge)
        require(is_free, "judge", self.judge.name, "one that costs nothing: it is asked about every completion")
