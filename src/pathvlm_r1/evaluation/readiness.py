"""Whether a checkpoint is ready for GRPO: what groups of its completions are worth, with 95 % intervals."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields

import numpy as np
from torch import Tensor

from pathvlm_r1.contract import Contract
from pathvlm_r1.evaluation.pass_at_k import ks_up_to, pass_at_k
from pathvlm_r1.evaluation.statistics import Floats, Interval, cluster_bootstrap, share_interval
from pathvlm_r1.evaluation.verdict import Verdict, verdict
from pathvlm_r1.reward import (
    Completion,
    RewardTable,
    SignalCounts,
    accuracy_kinds,
    correctness,
    is_without_signal,
    signal_counts,
)


@dataclass(frozen=True)
class Estimate:
    """A mean over prompts; without an interval where one picture says nothing of others."""

    value: float
    low: float | None
    high: float | None


@dataclass(frozen=True, kw_only=True)
class Readiness:
    """What sampling a checkpoint has shown."""

    prompts: int
    pictures: int
    group_size: int
    prompts_per_step: int
    estimates: Mapping[str, Estimate]  # by name, as in `README.md`
    missing: Mapping[str, int]  # term -> completions without a verdict
    counts: SignalCounts
    verdict: Verdict


def measure_readiness(
    groups: Sequence[Sequence[Completion]], rewards: RewardTable, *, contract: Contract, prompts_per_step: int,
    seed: int, replicates: int,
) -> Readiness:  # fmt: skip
    """Estimate what a GRPO run would find; each estimate is a mean over prompts, whose pictures are resampled.

    Args:
        groups: B groups of G completions.
        rewards: theirs.
        contract: that was asked under.
        prompts_per_step: B of the run, for the share of its steps without any gradient.
        seed: of every bootstrap, which begins anew from it.
        replicates: bootstrap resamples.
    """
    images = [group[0].sample.image_id for group in groups]
    mean_of, share_of = _estimators(images, seed=seed, replicates=replicates)
    tables = {**rewards.terms, "total": rewards.total}
    shares = {
        "groups/no_signal": is_without_signal(rewards.total).double().numpy(),
        **_by_accuracy(correctness(groups, rewards, contract)),
        **_by_form(groups, contract),
    }
    estimates = {
        **{f"reward/{name}": (share_of if _is_binary(s) else mean_of)(_means(s)) for name, s in tables.items()},
        **{f"reward/{name}/std_in_group": mean_of(_spread(s)) for name, s in tables.items()},
        **{name: share_of(values) for name, values in shares.items()},
    }
    silent = estimates["groups/no_signal"]
    estimates["steps/no_signal"] = _transformed(silent, lambda share: share**prompts_per_step)
    estimates["steps/groups_with_signal"] = _transformed(silent, lambda share: (1 - share) * prompts_per_step)
    counts = signal_counts(groups, rewards, contract)
    return Readiness(
        prompts=len(groups), pictures=len(set(images)), group_size=counts.group_size,
        prompts_per_step=prompts_per_step, estimates=estimates,
        missing={name: int(scores.isnan().sum()) for name, scores in rewards.terms.items()},
        counts=counts, verdict=verdict(counts),
    )  # fmt: skip


Estimator = Callable[[Floats], Estimate]


def _estimators(images: Sequence[str], *, seed: int, replicates: int) -> tuple[Estimator, Estimator]:
    """How a mean over prompts [B], NaN where a prompt has none, and how a mean of shares becomes an estimate."""

    def mean_of(values: Floats) -> Estimate:
        known = ~np.isnan(values)
        pictures = [image for image, is_known in zip(images, known, strict=True) if is_known]
        if len(set(pictures)) < 2:
            return Estimate(float(np.nanmean(values)) if pictures else 0.0, None, None)
        random = np.random.default_rng(seed)
        return _estimate(
            values[known], cluster_bootstrap(values[known], pictures, random=random, replicates=replicates)
        )

    def share_of(values: Floats) -> Estimate:
        random = np.random.default_rng(seed)
        return _estimate(values, share_interval(values, images, random=random, replicates=replicates))

    return mean_of, share_of


def _estimate(values: Floats, interval: Interval) -> Estimate:
    return Estimate(float(values.mean()), interval.low, interval.high)


def _is_binary(scores: Tensor) -> bool:
    """Whether every score is 0 or 1, so that a mean is a share."""
    return bool(((scores == 0) | (scores == 1)).all())


def _means(scores: Tensor) -> Floats:
    """[B] from [B, G]; NaN for a group without a verdict."""
    means: Floats = scores.nanmean(dim=-1).numpy()
    return means


def _spread(scores: Tensor) -> Floats:
    """[B] the standard deviation of [B, G], which divides by G - 1; NaN for a group with fewer than two verdicts."""
    known = [row[~row.isnan()].numpy() for row in scores]
    return np.array([(row - row[0]).std(ddof=1) if len(row) > 1 else np.nan for row in known])  # equal: exactly 0


def _by_accuracy(accuracy: Tensor) -> dict[str, Floats]:
    """Shares by group: its kind, and pass@k."""
    kinds, size = accuracy_kinds(accuracy), accuracy.shape[-1]
    right = [int(count) for count in (accuracy == 1).sum(dim=-1)]
    by_kind = {f"groups/{field.name}": getattr(kinds, field.name).double().numpy() for field in fields(kinds)}
    return by_kind | {f"pass@{k}": np.array([pass_at_k(size, count, k) for count in right]) for k in ks_up_to(size)}


def _by_form(groups: Sequence[Sequence[Completion]], contract: Contract) -> dict[str, Floats]:
    """Shares of every group's completions."""

    def share(holds: Callable[[Completion], bool]) -> Floats:
        return np.array([np.mean([float(holds(completion)) for completion in group]) for group in groups])

    return {
        "format": share(lambda c: contract.parse(c.text, c.sample.options).is_formatted),
        "cap_hits": share(lambda c: c.is_capped),
        "empty": share(lambda c: c.is_empty),
        "looping": share(lambda c: c.is_looping),
    }


def _transformed(estimate: Estimate, change: Callable[[float], float]) -> Estimate:
    """A monotone function of an estimate, with the ends of its interval in order."""
    ends = sorted(change(end) for end in (estimate.low, estimate.high) if end is not None)
    low, high = ends if ends else (None, None)
    return Estimate(change(estimate.value), low, high)
