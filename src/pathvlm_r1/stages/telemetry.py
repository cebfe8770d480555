"""What a GRPO step reports, as one flat table of metrics with stable names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pathvlm_r1.grpo import ObjectiveResult
from pathvlm_r1.reward import Completion, RewardTable, accuracy_kinds, is_without_signal
from pathvlm_r1.rollout import Rollout


def describe_rollout(
    rollout: Rollout, groups: Sequence[Sequence[Completion]], seconds: Mapping[str, float]
) -> dict[str, float]:
    """Lengths, cut-off, empty and looping completions, seconds by phase and tokens per second."""
    completions = [completion for group in groups for completion in group]
    lengths = torch.tensor([completion.token_count for completion in completions], dtype=torch.float64)
    tokens = float(lengths.sum())
    return {
        "grpo/completion_tokens": float(lengths.mean()),
        "grpo/completion_tokens_max": float(lengths.max()),
        "grpo/cap_hits": float(sum(c.is_capped for c in completions)),
        "grpo/empty": float(sum(c.is_empty for c in completions)),
        "grpo/looping": float(sum(c.is_looping for c in completions)),
        "grpo/prompts": float(len(rollout.prompts)),
        **{f"grpo/seconds/{phase}": value for phase, value in seconds.items()},
        "grpo/tokens_per_second": tokens / max(sum(seconds.values()), 1e-9),
    }


def describe_rewards(rewards: RewardTable) -> dict[str, float]:
    """Each term's mean and std, and how many groups have no signal."""
    described = {}
    for name, values in {**rewards.terms, "total": rewards.total}.items():
        known = values[~values.isnan()]
        described[f"grpo/reward/{name}"] = float(known.mean()) if len(known) else 0.0
        described[f"grpo/reward/{name}_std"] = float(known.std()) if len(known) > 1 else 0.0
        described[f"grpo/missing/{name}"] = float(values.isnan().sum())
    return described | describe_groups(rewards)


def describe_groups(rewards: RewardTable) -> dict[str, float]:
    """Shares of groups whose accuracy is all 0, all 1 or mixed, and of those whose total gives no gradient."""
    shares = {"grpo/groups/no_signal": _share(is_without_signal(rewards.total))}
    accuracy = rewards.terms.get("accuracy")
    if accuracy is not None:
        kinds = accuracy_kinds(accuracy)
        shares |= {
            "grpo/groups/all_zero": _share(kinds.all_zero),
            "grpo/groups/all_one": _share(kinds.all_one),
            "grpo/groups/mixed": _share(kinds.mixed),
        }
    return shares


def describe_update(results: Sequence[ObjectiveResult]) -> dict[str, float]:
    """The mean over the optimiser steps of one rollout."""
    if not results:
        return {}
    described = {
        "grpo/loss": _mean([result.loss for result in results]),
        "grpo/ratio": _mean([result.ratio_mean for result in results]),
        "grpo/ratio_max": max(float(result.ratio_max) for result in results),
        "grpo/clip_fraction_low": _mean([result.clip_fraction_low for result in results]),
        "grpo/clip_fraction_high": _mean([result.clip_fraction_high for result in results]),
    }
    divergences = [result.kl_mean for result in results if result.kl_mean is not None]
    return described | ({"grpo/kl": _mean(divergences), "grpo/kl_first": float(divergences[0])} if divergences else {})


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())
