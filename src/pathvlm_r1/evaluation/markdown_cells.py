"""Cells and tables of Markdown, as every part of a report has them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

Place = tuple[str, str]  # dataset and split


class Measured(Protocol):
    """An accuracy with its 95 % interval."""

    @property
    def accuracy(self) -> float: ...

    @property
    def ci_low(self) -> float: ...

    @property
    def ci_high(self) -> float: ...


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table with its first column left and the others right; nothing without a row."""
    if not rows:
        return ""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(_line(cells) for cells in (header, rule, *rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def accuracy_cell(row: Measured) -> str:
    """`0.737 [0.700, 0.773]`."""
    return f"{row.accuracy:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]"


def label(place: Place) -> str:
    """The dataset, with its split where that is not test."""
    dataset, split = place
    return dataset if split == "test" else f"{dataset} ({split})"
