"""Comparing arms: each against the one it should beat, on the same questions, averaged over the seeds of both."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathvlm_r1.evaluation.collecting import BASE
from pathvlm_r1.evaluation.comparison import (
    PairedDifference,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    seed_differences,
)
from pathvlm_r1.evaluation.items import Item, read_items
from pathvlm_r1.evaluation.statistics import Floats, Interval
from pathvlm_r1.tracking import TrackingError

PAIRS = (("sft", "grpo"), ("sft_continued", "grpo"), ("sft", "grpo_shuffled"), (BASE, "sft"))
METRICS: Mapping[str, Callable[[Item], float | None]] = {
    "accuracy": lambda item: item.correct,
    "process": lambda item: item.process,
}


@dataclass(frozen=True, kw_only=True)
class Comparison:
    """Arm b minus arm a on the same questions."""

    a: str
    b: str
    dataset: str
    split: str
    metric: str
    seeds: Sequence[int]
    n: int  # questions
    difference: float
    ci_low: float  # 95 % interval, conditional on these seeds
    ci_high: float
    p: float
    method: str
    seed_differences: Sequence[float]  # in the order of `seeds`
    hierarchical_low: float | None  # 95 % interval over seeds and images; None with one seed
    hierarchical_high: float | None
    mcnemar_p: Sequence[float] | None  # exact, in the order of `seeds`; None for a graded metric

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class PairedItems:
    """Two arms side by side: seed by seed and question by question."""

    seeds: tuple[int, ...]
    images: tuple[str, ...]
    before: Floats  # [S, N] the first arm's numbers
    after: Floats  # [S, N] the second arm's


def comparisons_from_items(path: Path, *, dataset: str, seed: int, replicates: int) -> list[Comparison]:
    """The comparisons of an items.csv, the same as those that the report drew from its predictions.

    Args:
        path: the file.
        dataset: that its items are of, on the test split.
        seed: of the bootstrap, as in `conf/report.yaml`.
        replicates: bootstrap resamples, as there.

    Raises:
        TrackingError: the file cannot be read, or its arms answered different questions.
    """
    return compare_arms(read_items(path), dataset=dataset, split="test", seed=seed, replicates=replicates)


def compare_arms(
    items: Sequence[Item], *, dataset: str, split: str, seed: int, replicates: int
) -> list[Comparison]:  # fmt: skip
    """Every pair of PAIRS of which both arms are there, in accuracy and process score.

    A pair without a seed in common, or with a verdict on fewer than two pictures, is left out. The bootstrap begins
    anew from `seed` for every comparison, so that no comparison depends on which others are made.
    """
    compared = []
    for a, b in PAIRS:
        for metric, value in METRICS.items():
            paired = _paired(items, a, b, value)
            if paired is None:
                continue
            differences = paired.after - paired.before
            of_mean = image_bootstrap_of_seed_mean(
                differences, paired.images, random=np.random.default_rng(seed), replicates=replicates
            )
            over_seeds = _over_seeds(differences, paired.images, seed=seed, replicates=replicates)
            compared.append(_comparison((a, b, metric), (dataset, split), paired, of_mean, over_seeds))
    return compared


def _comparison(
    of: tuple[str, str, str], on: tuple[str, str], paired: PairedItems, mean: PairedDifference,
    over_seeds: Interval | None,
) -> Comparison:  # fmt: skip
    a, b, metric = of
    dataset, split = on
    is_binary = metric == "accuracy"
    return Comparison(
        a=a, b=b, dataset=dataset, split=split, metric=metric, seeds=paired.seeds, n=len(paired.images),
        difference=mean.difference, ci_low=mean.interval.low, ci_high=mean.interval.high, p=mean.p_value,
        method=mean.method, seed_differences=seed_differences(paired.after - paired.before),
        hierarchical_low=None if over_seeds is None else over_seeds.low,
        hierarchical_high=None if over_seeds is None else over_seeds.high,
        mcnemar_p=tuple(_mcnemar_p_values(paired)) if is_binary else None,
    )  # fmt: skip


def _over_seeds(differences: Floats, images: Sequence[str], *, seed: int, replicates: int) -> Interval | None:
    if len(differences) < 2:
        return None  # one seed says nothing of others
    return hierarchical_interval(differences, images, random=np.random.default_rng(seed), replicates=replicates)


def _mcnemar_p_values(paired: PairedItems) -> Iterator[float]:
    for before, after in zip(paired.before, paired.after, strict=True):
        yield mcnemar(before.astype(bool), after.astype(bool)).p_value


def _paired(items: Sequence[Item], a: str, b: str, value: Callable[[Item], float | None]) -> PairedItems | None:
    """Both arms on the questions that all their common seeds have a number for; None with too little in common."""
    first, second = _by_seed(items, a), _by_seed(items, b)
    if a == BASE and first:
        first = dict.fromkeys(second, next(iter(first.values())))  # trained with no seed: it stands against each
    seeds = sorted(first.keys() & second.keys())
    answered = [of_seed[seed] for of_seed in (first, second) for seed in seeds]
    if any(by_id.keys() != answered[0].keys() for by_id in answered):
        raise TrackingError(f"{a} and {b} did not answer the same questions; evaluate their runs again")
    numbers = {
        sample_id: [number for by_id in answered if (number := value(by_id[sample_id])) is not None]
        for sample_id in (sorted(answered[0]) if answered else [])
    }
    complete = [sample_id for sample_id, found in numbers.items() if len(found) == len(answered)]
    images = tuple(answered[0][sample_id].image_id for sample_id in complete)
    if len(set(images)) < 2:
        return None  # one picture says nothing of others
    table = np.array([numbers[sample_id] for sample_id in complete], dtype=np.float64).T  # [2 S, N]
    return PairedItems(tuple(seeds), images, before=table[: len(seeds)], after=table[len(seeds) :])


def _by_seed(items: Sequence[Item], arm: str) -> dict[int, dict[str, Item]]:
    found: dict[int, dict[str, Item]] = {}
    for item in items:
        if item.arm == arm:
            found.setdefault(item.seed, {})[item.sample_id] = item
    return found
