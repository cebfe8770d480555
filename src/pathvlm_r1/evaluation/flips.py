"""Flips: questions that one run alone gets right, by question type, source and length of the answer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from pathvlm_r1.evaluation.comparison import mcnemar
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.multiplicity import holm
from pathvlm_r1.evaluation.run_pairs import Pair, PairedRuns

BINS = 4  # of length, with about as many questions in each


@dataclass(frozen=True, kw_only=True)
class Flips:
    """What changed from run a to run b on some of the questions."""

    by: str  # "question type", "source" or "tokens of b"
    value: str
    n: int
    a: float  # accuracy
    b: float
    fixed: int  # wrong in a, right in b
    broken: int  # right in a, wrong in b
    p: float  # exact McNemar
    p_holm: float  # over all rows of the table


def flips(runs: PairedRuns) -> tuple[Flips, ...]:
    """The rows of one table, whose p values are corrected together: questions overlap between its three parts."""
    bins = length_bins([pair.b[0].completion_tokens for pair in runs.pairs])
    ways = {
        "question type": lambda pair: pair.first.question_type,
        "source": lambda pair: pair.first.dataset,
        "tokens of b": lambda pair: next(
            f"{low} to {high}" for low, high in bins if low <= pair.b[0].completion_tokens <= high
        ),
    }
    order = [f"{low} to {high}" for low, high in bins]
    rows = []
    for by, key in ways.items():
        groups = grouped(runs.pairs, key)
        values = order if by == "tokens of b" else sorted(groups)
        if len(values) > 1:  # one value is the whole set, which stands elsewhere
            rows += [_row(by, value, groups[value]) for value in values]
    adjusted = holm([row.p for row in rows])
    return tuple(replace(row, p_holm=p) for row, p in zip(rows, adjusted, strict=True))


def length_bins(lengths: Sequence[int]) -> list[tuple[int, int]]:
    """First and last length of each of up to four bins, cut at quartiles; equal lengths share a bin, none is empty."""
    ordered = sorted(lengths)
    upper = sorted({ordered[-(-len(ordered) * part // BINS) - 1] for part in range(1, BINS + 1)})
    members = [
        [length for length in ordered if low < length <= high]
        for low, high in zip([ordered[0] - 1, *upper], upper, strict=False)
    ]
    return [(inside[0], inside[-1]) for inside in members]


def _row(by: str, value: str, pairs: Sequence[Pair]) -> Flips:
    before = np.array([pair.a[0].is_correct for pair in pairs])
    after = np.array([pair.b[0].is_correct for pair in pairs])
    test = mcnemar(before, after)
    return Flips(
        by=by, value=value, n=len(pairs), a=float(before.mean()), b=float(after.mean()), fixed=test.only_second,
        broken=test.only_first, p=test.p_value, p_holm=1.0,
    )  # fmt: skip
