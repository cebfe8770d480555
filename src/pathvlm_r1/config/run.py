"""The whole configuration of each entry point, and what its groups ask of each other."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from inspect import signature
from typing import Annotated, Any, Literal

from omegaconf import DictConfig

from pathvlm_r1.config.contracts import require_contracts
from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.engines import Capability, require_engine
from pathvlm_r1.config.generation import (
    GREEDY_ANSWERS,
    EvaluationConfig,
    MeasureConfig,
    RolloutConfig,
    VLLMRolloutConfig,
)
from pathvlm_r1.config.judge import JudgeConfig, deciders, require_judge_ranges
from pathvlm_r1.config.measures import require_evaluation_judge
from pathvlm_r1.config.model import EMBEDDED, RANDOM_6M, AdapterConfig, FullConfig, ModelConfig
from pathvlm_r1.config.objective import ObjectiveConfig
from pathvlm_r1.config.reward import RewardConfig
from pathvlm_r1.config.rules import (
    ConfigError,
    require,
    require_positive,
    require_seed,
    require_text,
    require_text_if_any,
)
from pathvlm_r1.config.splits import OpenSplit, ScoredSplit
from pathvlm_r1.config.stage import GRPOConfig, PretrainConfig, SFTConfig, StageConfig
from pathvlm_r1.config.typed import Keys, checked, without
from pathvlm_r1.data import LETTERS
from pathvlm_r1.data.published import PUBLISHED_SPLITS

# Which judges can score the reasoning on a kind of dataset alone; the oracle needs a findings table.
JUDGES_BY_DATASET: dict[str, tuple[str, ...]] = {
    "phantom": ("oracle",), "bccd": ("oracle",), "mixture": ("oracle",),  # if all sources have findings
    **dict.fromkeys((*PUBLISHED_SPLITS, "jsonl", "llama_factory", "trl", "parquet", "hf"), ()),
}  # fmt: skip
JUDGES_OF_ALL = ("rules", "openai", "local")  # which need none

# Lightning's own keys that do nothing or harm here -> what to use in their place.
REFUSED_TRAINER_KEYS = {
    "gradient_clip_val": "use stage.gradient_clip: Lightning cannot clip under manual optimisation",
    "accumulate_grad_batches": "use stage.rows_per_forward or stage.tokens_per_forward: Lightning cannot do it here",
}


def trainer_keys() -> list[str]:
    """The parameters of Lightning's Trainer, which is imported only here: that takes seconds."""
    from pytorch_lightning import Trainer

    return list(signature(Trainer).parameters)


TrainerSettings = Annotated[Mapping[str, Any], Keys(trainer_keys, are_required=False)]


@dataclass(frozen=True, kw_only=True)
class LocalLoggerConfig:
    """Metrics in the run folder, or none; the values stand in `conf/logger/{csv,none}.yaml`."""

    name: Literal["csv", "none"]


@dataclass(frozen=True, kw_only=True)
class WandbLoggerConfig:
    """Weights & Biases; the values stand in `conf/logger/wandb.yaml`."""

    name: Literal["wandb"]
    project: str
    group: str | None

    def __post_init__(self) -> None:
        require_text(self.project, "logger.project")


LoggerConfig = LocalLoggerConfig | WandbLoggerConfig


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """One training run; the values stand in `conf/train.yaml` and its groups."""

    model: ModelConfig
    adapter: AdapterConfig
    dataset: DatasetConfig
    trainer: TrainerSettings
    stage: StageConfig
    objective: ObjectiveConfig
    reward: RewardConfig
    judge: JudgeConfig
    rollout: RolloutConfig
    evaluation: EvaluationConfig
    logger: LoggerConfig
    seed: int
    output: str
    verified: str | None
    resume: str | None

    @classmethod
    def checked(cls, composed: DictConfig) -> TrainConfig:
        """The configuration of `src/train.py`, or a `ConfigError` before anything is loaded."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_seed(self.seed, "seed")
        require_text(self.output, "output")
        require_text_if_any(self.verified, "verified")
        _require_trainer(self.trainer)
        if isinstance(self.stage, PretrainConfig):
            require(self.model.name == "nano", "model", self.model.name, "stage=pretrain needs nano")
            require(self.adapter.name == "full", "adapter", self.adapter.name, "stage=pretrain needs full")
        else:
            _require_parent(self.stage, self.model.checkpoint)
            _require_engine(self.rollout, _needs(self.stage, self.dataset.name), self.adapter.name)
        is_vision_trained = isinstance(self.adapter, FullConfig) and self.adapter.train_vision
        folder, rule = self.model.feature_folder, "null beside adapter.train_vision=true, which changes the features"
        require(folder is None or not is_vision_trained, "model.feature_folder", folder, rule)
        require_judge_of_terms(self.reward, self.judge, self.dataset)
        rule = "false beside stage.resample_rounds, which sample anew once the rewards are known"
        is_resampling = isinstance(self.stage, GRPOConfig) and self.stage.resample_rounds > 0
        require(not (self.rollout.async_judge and is_resampling), "rollout.async_judge", self.rollout.async_judge, rule)
        is_summed = self.objective.total == "summed"
        rule = "group_mean, drop_term or stop: this objective takes each term by itself, and a missing one as 0 there"
        require(is_summed or self.reward.missing != "paper", "reward.missing", self.reward.missing, rule)


@dataclass(frozen=True, kw_only=True)
class EvalConfig:
    """Scoring a checkpoint or a folder of runs; the values stand in `conf/eval.yaml` and `conf/task/evaluate.yaml`."""

    task: Literal["evaluate"]
    split: ScoredSplit
    confirm: str | None
    runs: str | None
    contracts: tuple[str, ...]
    raise_cap_to: int | None
    fresh: bool
    blank_images: bool
    shuffled_images: bool
    model: ModelConfig
    dataset: DatasetConfig
    trainer: TrainerSettings
    reward: RewardConfig
    judge: JudgeConfig
    rollout: RolloutConfig
    evaluation: MeasureConfig
    evaluation_judge: JudgeConfig | None
    seed: int
    output: str

    @classmethod
    def checked(cls, composed: DictConfig) -> EvalConfig:
        """The configuration of `src/eval.py`, or a `ConfigError` before anything is loaded."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_seed(self.seed, "seed")
        require_text(self.output, "output")
        require_contracts(self.contracts, self.rollout.name)
        if self.raise_cap_to is not None:
            require_positive(self.raise_cap_to, "raise_cap_to")
        is_one_control = not (self.blank_images and self.shuffled_images)
        require(is_one_control, "shuffled_images", self.shuffled_images, "not together with blank_images=true")
        require_evaluation_judge(self.evaluation, self.evaluation_judge)
        decoded = self.evaluation if isinstance(self.evaluation, EvaluationConfig) else GREEDY_ANSWERS
        _require_engine(self.rollout, _decoding_needs(decoded, f"dataset={self.dataset.name}"))
        if JUDGES_BY_DATASET[self.dataset.kind]:  # elsewhere accuracy is worth a run, whoever judges by default
            require_judge_of_terms(self.reward, self.judge, self.dataset)
        require_judge_ranges(self.judge)


@dataclass(frozen=True, kw_only=True)
class PredictConfig:
    """Answering one question; the values stand in `conf/eval.yaml` and `conf/task/predict.yaml`."""

    task: Literal["predict"]
    image: str
    question: str
    options: tuple[str, ...]
    model: ModelConfig
    trainer: TrainerSettings
    rollout: RolloutConfig
    evaluation: EvaluationConfig
    seed: int

    @classmethod
    def checked(cls, composed: DictConfig) -> PredictConfig:
        """The configuration of `src/eval.py task=predict`, less the groups that scoring needs and this does not."""
        return checked(cls, without(composed, "dataset", "reward", "judge", "output"))

    def __post_init__(self) -> None:
        require_seed(self.seed, "seed")
        require_text(self.image, "image")
        require_text(self.question, "question")
        count, distinct = len(self.options), len(set(self.options))
        require(2 <= count <= len(LETTERS), "options", self.options, f"from 2 to {len(LETTERS)} options")
        require(count == distinct and all(self.options), "options", self.options, "options differ, none is empty")
        _require_engine(self.rollout, _decoding_needs(self.evaluation, f"image={self.image}"))


@dataclass(frozen=True, kw_only=True)
class ReadinessConfig:
    """Checking a checkpoint before GRPO; the values stand in `conf/eval.yaml` and `conf/task/rl_readiness.yaml`."""

    task: Literal["rl_readiness"]
    split: OpenSplit
    n: int
    group_size: int
    temperature: float
    prompts_per_step: int
    replicates: int
    out: str | None
    model: ModelConfig
    dataset: DatasetConfig
    trainer: TrainerSettings
    reward: RewardConfig
    judge: JudgeConfig
    rollout: RolloutConfig
    seed: int

    @classmethod
    def checked(cls, composed: DictConfig) -> ReadinessConfig:
        """The configuration of `src/eval.py task=rl_readiness`, less the keys that it does not read."""
        return checked(cls, without(composed, "evaluation", "output"))

    def __post_init__(self) -> None:
        require_positive(self.n, "n")
        require(self.group_size >= 2, "group_size", self.group_size, "at least 2: a group of one has no peers")
        require(self.temperature > 0, "temperature", self.temperature, "above 0: a greedy group is all alike")
        require_positive(self.prompts_per_step, "prompts_per_step")
        require_positive(self.replicates, "replicates")
        require(self.out is None or bool(self.out.strip()), "out", self.out, "must not be empty; null writes no file")
        require_seed(self.seed, "seed")
        _require_engine(self.rollout, {"images": f"dataset={self.dataset.name}"})
        require_judge_of_terms(self.reward, self.judge, self.dataset)


def _require_trainer(trainer: Mapping[str, Any]) -> None:
    for key, instead in REFUSED_TRAINER_KEYS.items():
        require(key not in trainer, f"trainer.{key}", trainer.get(key), instead)
    steps = trainer.get("max_steps")
    require(type(steps) is int and steps >= 1, "trainer.max_steps", steps, "a whole number, at least 1 optimiser step")


def _require_parent(stage: SFTConfig | GRPOConfig, checkpoint: str) -> None:
    require_seed(stage.parent_seed, "stage.parent_seed")  # after `seed`, which it repeats unless typed
    rule = "needs a folder of trained weights: give model.checkpoint=…, or start with stage.init=base"
    is_untrained = checkpoint in (EMBEDDED, RANDOM_6M)
    require(stage.init != "checkpoint" or not is_untrained, "stage.init", stage.init, rule)


def _require_engine(rollout: RolloutConfig, needs: Mapping[Capability, str], trained: str | None = None) -> None:
    """Refuse an engine that lacks a capability, or is not told how to get the weights; `trained` is an adapter."""
    require_engine(rollout.name, needs)
    if isinstance(rollout, VLLMRolloutConfig):
        rollout.require_sync(trained or "full", is_training=trained is not None)


def _needs(stage: SFTConfig | GRPOConfig, dataset: str) -> dict[Capability, str]:
    """What a stage asks of the engine -> what asks for it; SFT only validates, with greedy answers."""
    needs: dict[Capability, str] = {"images": f"dataset={dataset}"}
    if isinstance(stage, GRPOConfig):
        needs |= {"log_probs": "stage=grpo"}
    return needs


def _decoding_needs(evaluation: EvaluationConfig, pictures: str) -> dict[Capability, str]:
    """What answering asks of the engine -> what asks for it."""
    needs: dict[Capability, str] = {"images": pictures}
    return needs | {name: f"evaluation.{name}={value:g}" for name, value in evaluation.filters.items()}


def require_judge_of_terms(reward: RewardConfig, judge: JudgeConfig, dataset: DatasetConfig) -> None:
    """Refuse a judge that cannot score the process term on a dataset."""
    require_judge_ranges(judge)
    unable = unable_judges(reward, judge, dataset)
    if unable:
        able = (*JUDGES_BY_DATASET[dataset.kind], *JUDGES_OF_ALL)
        raise ConfigError(
            f"{', '.join(unable)}: cannot score the process term of reward={reward.name} on dataset={dataset.name}; "
            f"judges that can: {', '.join(able)}. Or take a reward without it: reward=accuracy_format"
        )


def unable_judges(reward: RewardConfig, judge: JudgeConfig, dataset: DatasetConfig) -> list[str]:
    """The judges, as typed, that give the process term no verdict on a dataset; none where the reward lacks it."""
    able = (*JUDGES_BY_DATASET[dataset.kind], *JUDGES_OF_ALL)
    unable = [f"{key}={name}" for key, name in deciders(judge).items() if name not in able]
    return unable if reward.process is not None else []
