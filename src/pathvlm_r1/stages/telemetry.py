"""What a GRPO step reports, as one flat table of metrics with stable names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import isfinite
from statistics import fmean

import torch
from torch import Tensor

from pathvlm_r1.grpo import ObjectiveResult
from pathvlm_r1.model import TokenLogProbs
from pathvlm_r1.reward import Completion, RewardTable, accuracy_kinds, is_without_signal
from pathvlm_r1.stages.experience import Collected


def describe_step(
    collected: Collected, results: Sequence[ObjectiveResult], *, seconds: Mapping[str, float], filtered: int
) -> dict[str, float]:  # fmt: skip
    """All that one rollout and the optimiser steps on it have to tell.

    Args:
        collected: the rollout with its rewards.
        results: of the optimiser steps.
        seconds: by phase.
        filtered: completions that the cap cut off and that therefore left the loss.
    """
    return {
        **describe_rollout(collected.groups, seconds),
        "grpo/resampled_groups": float(collected.resampled),
        "grpo/discarded_tokens": float(collected.discarded_tokens),
        "grpo/filtered": float(filtered),
        "grpo/rollout_age": float(collected.age),
        "grpo/reward_seconds_hidden": max(0.0, collected.judging_seconds - seconds["reward"]),  # behind other work
        **describe_rewards(collected.rewards),
        **describe_update(results),
    }


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
    """What the verdicts of language models cost and rest on, and how far a panel's members differ; else nothing."""
    scores = [score for rows in rewards.scores.values() for row in rows for score in row]
    verdicts = [score.verdict for score in scores if score.verdict is not None]
    asked = [one for verdict in verdicts for one in verdict.single if one.provenance.schema is not None]
    described = _disagreement([verdict.disagreement for verdict in verdicts])
    if asked:
        described |= {
            "grpo/judge/cost_usd": sum(verdict.provenance.cost_usd for verdict in asked),
            "grpo/judge/cached": float(sum(verdict.provenance.is_cached for verdict in asked)),
            "grpo/judge/unfound_evidence": float(sum(len(verdict.unfound) for verdict in asked)),
        }
    return described


def _disagreement(shares: Sequence[Mapping[str, float]]) -> dict[str, float]:
    """Means over the verdicts on which two members or more have voted, by event and over all events."""
    voted = [share for share in shares if share]
    if not voted:
        return {}
    events = {name: fmean(share[name] for share in voted) for name in voted[0]}
    return {
        "grpo/judge/disagreement": fmean(events.values()),
        **{f"grpo/judge/disagreement/{name}": value for name, value in events.items()},
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
