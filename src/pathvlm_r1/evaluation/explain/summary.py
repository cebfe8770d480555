"""What the maps of many questions are worth together, with 95 % intervals: pictures are resampled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation.explain.explaining import Explained
from pathvlm_r1.evaluation.readiness import Estimate
from pathvlm_r1.evaluation.statistics import cluster_bootstrap


@dataclass(frozen=True, kw_only=True)
class MethodRow:
    """One kind of map."""

    method: str
    n: int  # questions
    deletion: Estimate  # advantage over shifted shapes, in nats
    retention: Estimate  # likewise
    n_regions: int  # questions with a region
    area: float | None  # mean share of the regions, which is chance; None: no question has one
    pointing: Estimate | None
    pointing_gain: Estimate | None  # over chance, by question
    energy: Estimate | None
    energy_gain: Estimate | None  # likewise

    @property
    def is_validated(self) -> bool:
        """Whether deletion and retention both speak for it: their intervals lie above 0."""
        return is_above_zero(self.deletion) and is_above_zero(self.retention)

    @property
    def is_on_target(self) -> bool | None:
        """Whether more of it lies in the true region than chance would put there; None without a region."""
        return None if self.energy_gain is None else is_above_zero(self.energy_gain)


@dataclass(frozen=True, kw_only=True)
class ControlRow:
    """What became of the right option under other pictures, on the questions that have such a one."""

    control: str
    n: int
    margin: float  # mean, in nats
    accuracy: float
    margin_drop: Estimate  # from the question's own picture
    accuracy_drop: Estimate


@dataclass(frozen=True, kw_only=True)
class Explanations:
    """All that was measured on a set of questions."""

    n: int
    pictures: int
    margin: float  # with the question's own picture, mean in nats
    accuracy: float
    methods: tuple[MethodRow, ...]
    controls: tuple[ControlRow, ...]


def summarise_explanations(explained: Sequence[Explained], *, seed: int, replicates: int) -> Explanations:
    """Rows by method and by control.

    Args:
        explained: at least one question.
        seed: of every bootstrap, which begins anew from it.
        replicates: bootstrap resamples.
    """
    mean_of = _MeanOf(seed, replicates)
    controls = dict.fromkeys(name for one in explained for name in one.controls)
    return Explanations(
        n=len(explained), pictures=len({one.image_id for one in explained}),
        margin=float(np.mean([one.as_asked.margin for one in explained])),
        accuracy=float(np.mean([one.as_asked.is_right for one in explained])),
        methods=tuple(_method_row(method, explained, mean_of) for method in explained[0].maps),
        controls=tuple(
            _control_row(name, [one for one in explained if name in one.controls], mean_of) for name in controls
        ),
    )  # fmt: skip


def is_above_zero(estimate: Estimate) -> bool:
    """Whether the interval excludes 0 and what is below; never so without one."""
    return estimate.low is not None and estimate.low > 0


@dataclass(frozen=True)
class _MeanOf:
    """The mean of a number of each question, its pictures resampled."""

    seed: int
    replicates: int

    def __call__(self, values: Sequence[float], explained: Sequence[Explained]) -> Estimate:
        images = [one.image_id for one in explained]
        mean = float(np.mean(values))
        if len(set(images)) < 2:  # one picture says nothing of others
            return Estimate(mean, None, None)
        random, array = np.random.default_rng(self.seed), np.array(values, dtype=np.float64)
        interval = cluster_bootstrap(array, images, random=random, replicates=self.replicates)
        return Estimate(mean, interval.low, interval.high)


def _method_row(method: str, explained: Sequence[Explained], mean_of: _MeanOf) -> MethodRow:
    maps = [one.maps[method] for one in explained]
    placed = [one for one in explained if one.maps[method].placement is not None]
    regions = [found for one in placed if (found := one.maps[method].placement) is not None]

    def of_regions(values: Sequence[float]) -> Estimate | None:
        return mean_of(values, placed) if placed else None

    return MethodRow(
        method=method, n=len(explained),
        deletion=mean_of([one.check.deletion_advantage for one in maps], explained),
        retention=mean_of([one.check.retention_advantage for one in maps], explained),
        n_regions=len(placed), area=float(np.mean([one.area for one in regions])) if placed else None,
        pointing=of_regions([one.pointing for one in regions]),
        pointing_gain=of_regions([one.pointing - one.area for one in regions]),
        energy=of_regions([one.energy for one in regions]),
        energy_gain=of_regions([one.energy - one.area for one in regions]),
    )  # fmt: skip


def _control_row(control: str, explained: Sequence[Explained], mean_of: _MeanOf) -> ControlRow:
    pairs = [(one.as_asked, one.controls[control]) for one in explained]
    return ControlRow(
        control=control, n=len(pairs),
        margin=float(np.mean([shown.margin for _, shown in pairs])),
        accuracy=float(np.mean([shown.is_right for _, shown in pairs])),
        margin_drop=mean_of([own.margin - shown.margin for own, shown in pairs], explained),
        accuracy_drop=mean_of([float(own.is_right) - float(shown.is_right) for own, shown in pairs], explained),
    )  # fmt: skip
