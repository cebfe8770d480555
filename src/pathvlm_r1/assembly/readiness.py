"""The check of a checkpoint before GRPO: its own completions of fixed prompts, rewarded and judged."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict

import torch

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.engines import engine_of
from pathvlm_r1.assembly.evaluating import answering_policy
from pathvlm_r1.assembly.judging import require_judge
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.policies import found_checkpoint
from pathvlm_r1.assembly.rewards import missing_of, reward_terms
from pathvlm_r1.config import ConfigError, ReadinessConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import shuffled_index
from pathvlm_r1.evaluation import Readiness, as_completion, measure_readiness, readiness_table
from pathvlm_r1.model import Policy, SampleEncoder
from pathvlm_r1.reward import Completion, total_reward
from pathvlm_r1.rollout import Decoding
from pathvlm_r1.tracking import progress_over, say, write_json


def check_readiness(config: ReadinessConfig) -> Readiness:
    """Sample, reward, judge; show the table and write what `out` asks for.

    Raises:
        ConfigError: the checkpoint, the split or `out` cannot be used; before anything is loaded.
        DatasetError: the data cannot be used.
        TrackingError: `out` cannot be written.
    """
    found_checkpoint(config.model.checkpoint)
    if config.reward.process is not None:
        require_judge(config.judge)
    out = out_file(config.out, example="readiness.json")
    samples = _asked(config)
    readiness = _measured(config, samples)
    _show(config, readiness)
    if out is not None:
        write_json(out, as_json(config, readiness))
    return readiness


def as_json(config: ReadinessConfig, readiness: Readiness) -> dict[str, object]:
    """The numbers with what they were measured on."""
    return asdict(readiness) | {
        "checkpoint": config.model.checkpoint,
        "dataset": config.dataset.name,
        "split": config.split,
        "reward": asdict(config.reward),
        "temperature": config.temperature,
        "max_completion_tokens": config.model.max_completion_tokens,
        "seed": config.seed,
    }


def _asked(config: ReadinessConfig) -> list[Sample]:
    """The prompts that a run of this seed begins with."""
    samples = load_samples(config.dataset, config.split)
    if config.n > len(samples):
        raise ConfigError(f"n={config.n}: split={config.split} of {config.dataset.name} has {len(samples)} questions")
    return [samples[shuffled_index(len(samples), position, seed=config.seed)] for position in range(config.n)]


def _measured(config: ReadinessConfig, samples: Sequence[Sample]) -> Readiness:
    loaded = answering_policy(config.model, config.trainer)
    encoder = SampleEncoder(loaded.encoder, Contract())
    sampled = _groups(config, encoder, loaded.policy, samples)
    groups = list(progress_over(sampled, f"{config.group_size} completions a prompt", len(samples)))
    terms = reward_terms(config.reward, Contract(), config.judge)
    return measure_readiness(
        groups, total_reward(groups, terms, missing_of(config.reward)), contract=Contract(),
        prompts_per_step=config.prompts_per_step, seed=config.seed, replicates=config.replicates,
    )  # fmt: skip


def _groups(
    config: ReadinessConfig, encoder: SampleEncoder, policy: Policy, samples: Sequence[Sample]
) -> Iterator[list[Completion]]:
    """One group per sample, as the GRPO stage would sample it."""
    engine = engine_of(config.rollout, encoder.encoder.end_ids)
    decoding = Decoding(config.model.max_completion_tokens, config.temperature)
    generator = torch.Generator(device=policy.device).manual_seed(config.seed)
    size = max(1, config.rollout.rows_per_batch // config.group_size)
    for start in range(0, len(samples), size):
        asked = samples[start : start + size]
        prompts = [encoder.prompt(sample) for sample in asked]
        sampled = engine.sample(policy, prompts, config.group_size, decoding, generator)
        for sample, group in zip(asked, sampled, strict=True):
            yield [as_completion(completion, sample, encoder.encoder) for completion in group]


def _show(config: ReadinessConfig, readiness: Readiness) -> None:
    label = f"{config.model.checkpoint} on {config.split} of {config.dataset.name}, reward={config.reward.name}"
    sampled = f"{readiness.prompts} prompts, {config.group_size} completions each at temperature {config.temperature:g}"
    say(f"{label}: {sampled}", readiness_table(readiness), readiness.verdict.sentence)
