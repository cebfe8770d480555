"""What a GRPO step reports, as one flat table of metrics with stable names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from pathvlm_r1.grpo import ObjectiveResult
from pathvlm_r1.reward import Completion, FinishReason, RewardTable
from pathvlm_r1.rollout import Rollout

LOOP_WORDS = 8  # a run of words ...
LOOP_REPEATS = 3  # ... that follows itself so often is a loop


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
        "grpo/cap_hits": float(sum(c.finish_reason is FinishReason.LENGTH for c in completions)),
        "grpo/empty": float(sum(not c.text.strip() for c in completions)),
        "grpo/looping": float(sum(is_looping(c.text) for c in completions)),
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
    shares = {"grpo/groups/no_signal": _share(rewards.total.amax(dim=-1) == rewards.total.amin(dim=-1))}
    accuracy = rewards.terms.get("accuracy")
    if accuracy is not None:
        is_zero, is_one = (accuracy == 0).all(dim=-1), (accuracy == 1).all(dim=-1)
        shares |= {
            "grpo/groups/all_zero": _share(is_zero),
            "grpo/groups/all_one": _share(is_one),
            "grpo/groups/mixed": _share(~is_zero & ~is_one),
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


def is_looping(text: str) -> bool:
    """Whether some run of up to `LOOP_WORDS` words stands `LOOP_REPEATS` times in a row."""
    words = text.split()
    for size in range(1, LOOP_WORDS + 1):
        repeated = 0
        for word, earlier in zip(words[size:], words, strict=False):
            repeated = repeated + 1 if word == earlier else 0
            if repeated >= size * (LOOP_REPEATS - 1):
                return True
    return False


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())
