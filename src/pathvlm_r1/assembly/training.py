"""From a checked configuration to a stage that can be fitted."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from operator import itemgetter

import torch
from hydra.utils import instantiate
from pytorch_lightning import Callback, LightningModule

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.engines import engine_of
from pathvlm_r1.assembly.evaluating import answerer
from pathvlm_r1.assembly.mixtures import accuracy_by_source, source_callbacks, training_stream
from pathvlm_r1.assembly.objectives import objective_of, total_of
from pathvlm_r1.assembly.policies import CACHED_PICTURES, LoadedPolicy, load_policy
from pathvlm_r1.assembly.pretraining import build_pretraining
from pathvlm_r1.assembly.rewards import missing_of, reward_terms
from pathvlm_r1.config import GRPOConfig, PretrainConfig, SFTConfig, TrainConfig, language_models
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.model import Encoder, Policy, SampleEncoder, reference_of
from pathvlm_r1.reward import WeightedTerm, shaped, total_reward
from pathvlm_r1.rollout import Decoding
from pathvlm_r1.stages import (
    AheadCollector,
    BestByValidation,
    Collector,
    CompletionLog,
    GRPOModule,
    GRPOSettings,
    LearntRollout,
    OnRollout,
    OptimiserSteps,
    SFTModule,
    SignalCallback,
    SignalWatch,
    TellPeakMemory,
    TokenBudget,
    Validate,
    first_grpo_sizes,
    first_sft_sizes,
    linear_decay,
    warmup_cosine,
)
from pathvlm_r1.tracking import RunFolder

_MEASURED = ("accuracy", "format", "process")  # terms of which a validation has the mean under their own name


@dataclass(frozen=True)
class Training:
    """A stage with its data, ready for Lightning."""

    module: LightningModule
    data: ItemStream
    policy: Policy
    encoder: Encoder
    callbacks: tuple[Callback, ...] = ()


def build_training(
    config: TrainConfig, folder: RunFolder, samples: Sequence[Sample], *, on_rollout: OnRollout, processes: int = 1
) -> Training:
    """The stage that the configuration asks for; `samples` are those of its training split, which `processes` share."""
    if isinstance(config.stage, PretrainConfig):
        return _pretraining(config, config.stage, folder)
    if isinstance(config.stage, SFTConfig):
        return _sft(config, config.stage, folder, samples)
    return _grpo(config, config.stage, folder, samples, on_rollout=on_rollout, processes=processes)


def _pretraining(config: TrainConfig, stage: PretrainConfig, folder: RunFolder) -> Training:
    module, data = build_pretraining(config, stage, folder)
    return Training(module, data, module.policy, module.encoder)


def _sft(config: TrainConfig, stage: SFTConfig, folder: RunFolder, samples: Sequence[Sample]) -> Training:
    loaded = _loaded(config, temperature=1.0, is_dropout_on=True)
    encoder = SampleEncoder(loaded.encoder, Contract())
    module = SFTModule(
        loaded.policy, encoder=loaded.encoder, encode=encoder.row, rows_per_forward=stage.rows_per_forward,
        learning_rate=stage.learning_rate, weight_decay=stage.weight_decay, gradient_clip=stage.gradient_clip,
        schedule=warmup_cosine(warmup_share=stage.warmup_share, total_steps=stage.max_steps), folder=folder.path,
    )  # fmt: skip
    free = None if language_models(config.judge) else config.judge  # as it chooses no weights
    terms = reward_terms(config.reward, Contract(), free)
    judged = [WeightedTerm(one.term, one.weight) for one in terms if one.term.name == "process"]  # all that it measures
    validate = _validation(config, stage, encoder, judged)
    best = _best(config, stage, folder, validate, itemgetter("accuracy"))
    sources = source_callbacks(config)
    stream = training_stream(config, samples, batch_size=stage.rows_per_step)
    sizes = partial(first_sft_sizes, pictures=min(CACHED_PICTURES, len(samples)))
    memory = TellPeakMemory(sizes, key="stage.rows_per_forward")
    return Training(module, stream, loaded.policy, loaded.encoder, (memory, *sources, best))


def _best(config: TrainConfig, stage: SFTConfig | GRPOConfig, folder: RunFolder, validate: Validate,
          score: Callable[[Mapping[str, float]], float]) -> BestByValidation:  # fmt: skip
    return BestByValidation(
        validate, score=score, every=stage.validation_every, last_step=config.trainer["max_steps"],
        path=folder.path / "best.safetensors",
    )  # fmt: skip


def _reward_of(weights: Mapping[str, float], metrics: Mapping[str, float]) -> float:
    """The mean reward of greedy answers: of each term what it counts, where a validation has it, else its mean."""
    means = {name: metrics.get(f"reward/{name}", metrics.get(name)) for name in weights}
    return sum(weights[name] * mean for name, mean in means.items() if mean is not None)


def _validation(
    config: TrainConfig, stage: SFTConfig | GRPOConfig, encoder: SampleEncoder, terms: Sequence[WeightedTerm]
) -> Validate:
    """Greedy answers to the validation split, in mean figures."""
    samples = load_samples(config.dataset, "validation")[: stage.validation_samples]
    answer = answerer(encoder, config.model, config.rollout, config.evaluation.greedy(), terms)

    def validate(policy: Policy) -> dict[str, float]:
        answered = list(answer(policy, samples, seed=config.seed))
        predictions = [p for decodes in answered for p in decodes]
        process = [p.process for p in predictions if p.process is not None]
        metrics = {
            "accuracy": sum(p.is_correct for p in predictions) / len(predictions),
            "format": sum(p.is_formatted for p in predictions) / len(predictions),
            "completion_tokens": sum(p.completion_tokens for p in predictions) / len(predictions),
        }
        metrics |= {"process": sum(process) / len(process)} if process else {}  # a reward may lack the term
        metrics |= accuracy_by_source(samples, answered)
        return metrics | counted_means([p.scores or {} for p in predictions], terms)

    return validate


def counted_means(scores: Sequence[Mapping[str, float | None]], terms: Sequence[WeightedTerm]) -> dict[str, float]:
    """`reward/<term>` of each term that a validation has no other figure for: the mean of what it counts.

    Clips and gates act as in training; a normalisation does not, as single answers have no peers.

    Args:
        scores: raw, by term, of each answer.
        terms: of the reward.
    """
    shapes = {one.term.name: replace(one.shape, normalisation=None) for one in terms}
    read = {name: [[math.nan if of[name] is None else of[name]] for of in scores] for name in shapes}
    raw = {name: torch.tensor(values, dtype=torch.float64) for name, values in read.items()}
    means = {name: values.nanmean() for name, values in shaped(raw, shapes).items()}
    others = (name for name, shape in shapes.items() if name not in _MEASURED or not shape.is_plain)
    return {f"reward/{name}": float(means[name]) for name in others if not means[name].isnan()}


def _grpo(config: TrainConfig, stage: GRPOConfig, folder: RunFolder, samples: Sequence[Sample],
          *, on_rollout: OnRollout, processes: int) -> Training:  # fmt: skip
    loaded = _loaded(config, temperature=stage.temperature, is_dropout_on=False)
    loaded.policy.is_flex = stage.packed_attention == "flex"
    encoder = SampleEncoder(loaded.encoder, Contract())
    watch = SignalWatch(steps=stage.signal_warning_steps, cap_limit=stage.cap_warning_share)
    signal = SignalCallback(watch, Contract())
    logs = [CompletionLog(folder)] if stage.log_completions else []
    sources = source_callbacks(config)
    terms = reward_terms(config.reward, Contract(), config.judge, processes)
    steps = OptimiserSteps()
    collector = (AheadCollector if config.rollout.async_judge else Collector)(
        encoder=encoder,
        engine=engine_of(config.rollout, loaded.encoder.end_ids),
        decoding=Decoding(config.model.max_completion_tokens, stage.temperature),
        reward=partial(total_reward, terms=terms, missing=missing_of(config.reward)),
        weigh=steps.weigh,
        group_size=stage.group_size,
        resample_rounds=stage.resample_rounds,
    )
    module = GRPOModule(
        policy=loaded.policy,
        reference=reference_of(loaded.policy, is_following=stage.reference_every > 0) if stage.beta > 0 else None,
        collector=collector,
        total=total_of(config),
        advantages=instantiate(config.objective.advantage),
        objective=objective_of(config.objective, entropy_bonus=stage.entropy_bonus, rollout=config.rollout),
        budget=TokenBudget(stage.tokens_per_forward),
        settings=GRPOSettings(
            minibatches=stage.minibatches, num_iterations=stage.num_iterations, beta=stage.beta, kl_in=stage.kl_in,
            top_entropy=stage.top_entropy, reference_every=stage.reference_every, stop_at=config.trainer["max_steps"],
            schedule=linear_decay(total_steps=stage.max_steps), learning_rate=stage.learning_rate,
            weight_decay=stage.weight_decay, gradient_clip=stage.gradient_clip, shuffle_rewards=stage.shuffle_rewards,
            filter_truncated=stage.filter_truncated,
        ),
        seed=config.seed,
        folder=folder.path,
        on_rollout=_to_all(
            on_rollout, signal.on_rollout, *(one.on_rollout for one in sources), *(log.on_rollout for log in logs)
        ),
    )  # fmt: skip
    validate = _validation(config, stage, encoder, terms)
    weights = {one.term.name: one.weight_at(config.trainer["max_steps"]) for one in terms}  # one scale for all of them
    best = _best(config, stage, folder, validate, partial(_reward_of, weights))
    stream = training_stream(config, samples, batch_size=stage.prompts_per_step)
    sizes = partial(first_grpo_sizes, pictures=min(CACHED_PICTURES, len(samples)))
    memory = TellPeakMemory(sizes, key="stage.tokens_per_forward", is_set=lambda module: module.budget.is_found)
    return Training(module, stream, loaded.policy, loaded.encoder, (memory, steps, signal, *sources, *logs, best))


def _to_all(*listeners: OnRollout) -> OnRollout:
    def listen(rollout: LearntRollout) -> None:
        for one in listeners:
            one(rollout)

    return listen


def _loaded(config: TrainConfig, *, temperature: float, is_dropout_on: bool) -> LoadedPolicy:
    precision = str(config.trainer.get("precision", "32-true"))
    return load_policy(
        config.model, config.adapter, precision=precision, temperature=temperature, is_dropout_on=is_dropout_on
    )
