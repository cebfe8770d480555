"""Items: who was right on which question, and how well reasoned; what every comparison is computed from."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from pathvlm_r1.evaluation.collecting import Answers
from pathvlm_r1.tracking import TrackingError, write_atomically


@dataclass(frozen=True)
class Item:
    """One question as one run answered it; the fields are the columns of items.csv."""

    seed: int
    arm: str
    sample_id: str
    image_id: str
    correct: int  # 0 or 1
    process: float | None  # 0 to 1; None, in the file an empty cell: no verdict


COLUMNS = [column.name for column in fields(Item)]


def items_of(answers: Iterable[Answers]) -> list[Item]:
    """One item per prediction, sorted by seed, arm and question."""
    items = [
        Item(answered.run.seed, answered.run.arm, p.sample_id, p.image_id, int(p.is_correct), p.process)
        for answered in answers
        for p in answered.predictions
    ]
    return sorted(items, key=lambda item: (item.seed, item.arm, item.sample_id))


def write_items(path: Path, items: Iterable[Item]) -> None:
    """A CSV file in which every number keeps all its digits.

    Raises:
        TrackingError: the file cannot be written.
    """

    def write(partial: Path) -> None:
        with partial.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file, lineterminator="\n").writerows([COLUMNS, *map(astuple, items)])

    write_atomically(path, write)


def read_items(path: Path) -> list[Item]:
    """What `write_items` wrote.

    Raises:
        TrackingError: the file is missing or is not one of these; names file and line.
    """
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
    except (OSError, ValueError) as error:
        raise TrackingError(f"{path}: not an items.csv ({error}); write it with src/report.py") from error
    if header != COLUMNS:
        raise TrackingError(f"{path}:1: the columns are {', '.join(header)}; expected {', '.join(COLUMNS)}")
    return [_item(path, line, row) for line, row in enumerate(rows, start=2)]


def _item(path: Path, line: int, row: list[str]) -> Item:
    try:
        seed, arm, sample_id, image_id, correct, process = row
        item = Item(int(seed), arm, sample_id, image_id, int(correct), float(process) if process else None)
    except ValueError as error:
        raise TrackingError(f"{path}:{line}: not an item ({error}); write the file again with src/report.py") from error
    if item.correct not in (0, 1) or not (item.process is None or 0 <= item.process <= 1):
        raise TrackingError(f"{path}:{line}: correct is 0 or 1 and process from 0 to 1, not {correct} and {process}")
    return item
