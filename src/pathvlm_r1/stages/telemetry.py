"""What a GRPO step reports, as one flat table of metrics with stable names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite

import torch
from torch import Tensor

from pathvlm_r1.grpo import ObjectiveResult
from pathvlm_r1.model import TokenLogProbs
from pathvlm_r1.reward import Completion, RewardTable, accuracy_kinds, is_without_signal


def describe_rollout(groups: Sequence[Sequence[Completion]], seconds: Mapping[str, float]) -> dict[str, float]:
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
        "grpo/prompts": float(len(groups)),
        **{f"grpo/seconds/{phase}": value for phase, value in seconds.items()},
        "grpo/tokens_per_second": tokens / max(sum(seconds.values()), 1e-9),
    }


def describe_rewards(rewards: RewardTable) -> dict[str, float]:
    """Each term's mean and std, raw and as it counts, its weight where that moves, and groups without a signal."""
    described = {}
    effective = {f"{name}_effective": rewards.effective[name] for name, at in rewards.shapes.items() if not at.is_plain}
    for name, values in {**rewards.terms, **effective, "total": rewards.total}.items():
        known = values[~values.isnan()]
        described[f"grpo/reward/{name}"] = float(known.mean()) if len(known) else 0.0
        described[f"grpo/reward/{name}_std"] = float(known.std()) if len(known) > 1 else 0.0
        described[f"grpo/missing/{name}"] = float(values.isnan().sum())
    scheduled = [name for name, at in rewards.shapes.items() if at.schedule is not None]
    described |= {f"grpo/reward/{name}_weight": rewards.weights[name] for name in scheduled}
    return described | describe_judge(rewards) | describe_groups(rewards)


def describe_judge(rewards: RewardTable) -> dict[str, float]:
    """What the verdicts of a language model cost, and what they rest on; nothing where none was asked."""
    verdicts = [score.verdict for rows in rewards.scores.values() for row in rows for score in row]
    asked = [verdict for verdict in verdicts if verdict is not None and verdict.provenance.schema is not None]
    if not asked:
        return {}
    return {
        "grpo/judge/cost_usd": sum(verdict.provenance.cost_usd for verdict in asked),
        "grpo/judge/cached": float(sum(verdict.provenance.is_cached for verdict in asked)),
        "grpo/judge/unfound_evidence": float(sum(len(verdict.unfound) for verdict in asked)),
    }


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
    """Means and extremes over the optimiser steps of one rollout.

    The effective sample size is (mean r)^2 / mean r^2 over the tokens: 1 on policy, less the more few tokens outweigh.
    """
    if not results:
        return {}
    described = {"grpo/loss": _mean([result.loss for result in results])}
    described |= {f"grpo/{name}": _mean([result.means[name] for result in results]) for name in results[0].means}
    for name in results[0].largest:
        described[f"grpo/{name}"] = max(float(result.largest[name]) for result in results)
    for name in results[0].smallest:
        described[f"grpo/{name}"] = min(float(result.smallest[name]) for result in results)
    square = described.pop("grpo/ratio_square")
    described["grpo/effective_sample_size"] = described["grpo/ratio"] ** 2 / square if square > 0 else 0.0
    if "kl" in results[0].means:
        described["grpo/kl_first"] = float(results[0].means["kl"])
    return {name: value for name, value in described.items() if isfinite(value)}  # extremes over no token are not


def describe_entropy(scored: Sequence[TokenLogProbs]) -> dict[str, float]:
    """Mean entropy of the policy in nats, over all tokens and over each quarter of the completions."""
    entropies = torch.cat([passed.entropy.detach()[passed.mask] for passed in scored])
    places = torch.cat([_quarters(passed.mask)[passed.mask] for passed in scored])
    described = {"grpo/entropy": float(entropies.mean())}
    for quarter in range(4):
        if (places == quarter).any():
            described[f"grpo/entropy/quarter_{quarter + 1}"] = float(entropies[places == quarter].mean())
    return described


def _quarters(mask: Tensor) -> Tensor:
    """[N, C]: in which quarter of its completion a token stands, 0 to 3."""
    places = mask.long().cumsum(dim=-1) - 1
    return 4 * places // mask.sum(dim=-1, keepdim=True).clamp(min=1)


def _share(flags: Tensor) -> float:
    return float(flags.double().mean())


def _mean(values: Sequence[Tensor]) -> float:
    return float(torch.stack(list(values)).mean())
