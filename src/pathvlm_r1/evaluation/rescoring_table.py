"""The tables in the terminal of completions that were rewarded, or judged, anew."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.rescoring import Difference, JudgedBin


def difference_table(differences: Sequence[Difference]) -> Table:
    """A row per term, total and advantage."""
    table = Table("", "logged", "recomputed", "changed", "best changed", "correlation", box=SIMPLE, pad_edge=False)
    for one in differences:
        table.add_row(
            one.name, _number(one.logged), _number(one.recomputed), _share(one.changed), _share(one.best_changed),
            _number(one.correlation),
        )  # fmt: skip
    return table


def judged_table(bins: Sequence[JudgedBin]) -> Table:
    """A row per bin of steps."""
    table = Table("steps", "accuracy", "process, logged", "process, asked", "gap", box=SIMPLE, pad_edge=False)
    for one in bins:
        table.add_row(
            f"{one.first_step} to {one.last_step}", _number(one.accuracy), _number(one.process_logged),
            _number(one.process_asked), _number(one.gap),
        )  # fmt: skip
    return table


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"
