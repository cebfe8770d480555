"""What changes where logged completions are rewarded anew, and how far two judges come apart over a training."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.evaluation.statistics import Floats


@dataclass(frozen=True, kw_only=True)
class Difference:
    """One term, the total or the advantage, as logged and as computed again."""

    name: str
    logged: float | None  # mean over completions that have it; None: the run had no such term
    recomputed: float | None
    changed: float  # share of the completions
    best_changed: float | None  # share of groups whose best completions are others; None for advantages
    correlation: float | None  # over completions that have both; None where either is constant, or there are none


def difference(name: str, logged: Floats | None, recomputed: Floats | None) -> Difference:
    """Compare [groups, G] numbers, NaN where a completion has none; None for a term that one side does not have.

    Raises:
        ValueError: neither side has it.
    """
    given = recomputed if logged is None else logged
    if given is None:
        raise ValueError(f"{name}: neither logged nor computed again")
    absent = np.full_like(given, np.nan)
    left, right = absent if logged is None else logged, absent if recomputed is None else recomputed
    is_changed = ~((left == right) | (np.isnan(left) & np.isnan(right)))
    is_other = (_best(left) != _best(right)).any(axis=1)
    return Difference(
        name=name, logged=_mean(left), recomputed=_mean(right), changed=float(is_changed.mean()),
        best_changed=None if name == "advantage" else float(is_other.mean()), correlation=_correlation(left, right),
    )  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class JudgedBin:
    """Some steps of a training in a row: what its judge said of them, and what another one says."""

    first_step: int
    last_step: int
    completions: int
    accuracy: float
    process_logged: float | None  # mean over completions with a verdict; None where the run asked no judge
    process_asked: float | None
    gap: float | None  # logged less asked, over completions that have both
    missing: int  # completions of which the asked judge has no verdict


def judged_bins(
    steps: Sequence[int], accuracy: Floats, logged: Floats, asked: Floats, *, bins: int
) -> list[JudgedBin]:  # fmt: skip
    """The curves of two judges over a training, in bins of equally many steps, or one fewer.

    Args:
        steps: [N] of each completion, in order.
        accuracy: [N].
        logged: [N] process scores by the run's own judge, NaN without a verdict.
        asked: [N] likewise by the other.
        bins: at most; no more than there are different steps.
    """
    of = np.asarray(steps)
    parts = np.array_split(np.unique(of), min(bins, len(np.unique(of))))
    return [_bin(part, np.isin(of, part), accuracy, logged, asked) for part in parts]


def _bin(part: NDArray[np.int64], chosen: NDArray[np.bool_], accuracy: Floats, logged: Floats,
         asked: Floats) -> JudgedBin:  # fmt: skip
    return JudgedBin(
        first_step=int(part[0]), last_step=int(part[-1]), completions=int(chosen.sum()),
        accuracy=float(accuracy[chosen].mean()), process_logged=_mean(logged[chosen]),
        process_asked=_mean(asked[chosen]), gap=_mean(logged[chosen] - asked[chosen]),
        missing=int(np.isnan(asked[chosen]).sum()),
    )  # fmt: skip


def _best(values: Floats) -> NDArray[np.bool_]:
    """[groups, G] which completions have their group's highest number."""
    lowest = np.nan_to_num(values, nan=-np.inf)
    best: NDArray[np.bool_] = (lowest == lowest.max(axis=1, keepdims=True)) & ~np.isnan(values)
    return best


def _mean(values: Floats) -> float | None:
    known = values[~np.isnan(values)]
    return float(known.mean()) if known.size else None


def _correlation(left: Floats, right: Floats) -> float | None:
    known = ~(np.isnan(left) | np.isnan(right))
    x, y = left[known], right[known]
    if x.size < 2 or x.min() == x.max() or y.min() == y.max():
        return None
    return float(np.corrcoef(x, y)[0, 1])
