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

    def estimate(values: Sequence[float], of: Sequence[Explained]) -> Estimate:
        images = [one.image_id for one in of]
        mean = float(np.mean(values))
        if len(set(images)) < 2:  # one picture says nothing of others
            return Estimate(mean, None, None)
        random = np.random.default_rng(seed)
        found = cluster_bootstrap(np.array(values, dtype=float), images, random=random, replicates=replicates)
        return Estimate(mean, found.low, found.high)

    def row(method: str) -> MethodRow:
        checks = [one.maps[method].check for one in explained]
        placed = [one for one in explained if one.region is not None]
        areas = np.array([one.region for one in placed])
        hits = np.array([one.maps[method].pointing for one in placed])
        energies = np.array([one.maps[method].energy for one in placed])
        regions = [estimate(v.tolist(), placed) if placed else None for v in (hits, energies)]
        gains = [estimate((v - areas).tolist(), placed) if placed else None for v in (hits, energies)]
        return MethodRow(
            method=method, n=len(explained), n_regions=len(placed),
            deletion=estimate([check.deletion_advantage for check in checks], explained),
            retention=estimate([check.retention_advantage for check in checks], explained),
            area=float(areas.mean()) if placed else None,
            pointing=regions[0], pointing_gain=gains[0], energy=regions[1], energy_gain=gains[1],
        )  # fmt: skip

    def control(name: str) -> ControlRow:
        of = [one for one in explained if name in one.controls]
        drops = [one.as_asked.margin - one.controls[name].margin for one in of]
        losses = [float(one.as_asked.is_right) - float(one.controls[name].is_right) for one in of]
        return ControlRow(
            control=name, n=len(of), margin=float(np.mean([one.controls[name].margin for one in of])),
            accuracy=float(np.mean([one.controls[name].is_right for one in of])),
            margin_drop=estimate(drops, of), accuracy_drop=estimate(losses, of),
        )  # fmt: skip

    controls = dict.fromkeys(name for one in explained for name in one.controls)
    return Explanations(
        n=len(explained), pictures=len({one.image_id for one in explained}),
        margin=float(np.mean([one.as_asked.margin for one in explained])),
        accuracy=float(np.mean([one.as_asked.is_right for one in explained])),
        methods=tuple(row(method) for method in explained[0].maps),
        controls=tuple(control(name) for name in controls),
    )  # fmt: skip


def is_above_zero(estimate: Estimate) -> bool:
    """Whether the interval excludes 0 and what is below; never so without one."""
    return estimate.low is not None and estimate.low > 0
