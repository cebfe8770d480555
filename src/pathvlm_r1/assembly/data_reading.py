"""All splits of a dataset, with what is wrong with their records."""

from __future__ import annotations

import os
from collections.abc import Iterable
from functools import partial
from typing import TypeVar

from pathvlm_r1.assembly.datasets import read_dataset
from pathvlm_r1.config import DatasetConfig
from pathvlm_r1.data.defects import Defect, DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.integrity import Verified, verify
from pathvlm_r1.tracking import progress_over

Item = TypeVar("Item")


def read_splits(dataset: DatasetConfig) -> dict[str, ReadResult]:
    """What the dataset's reader makes of every split; a fault of the whole set is a defect of the set."""
    try:
        return read_dataset(dataset)
    except DatasetError as error:
        defect = Defect(dataset.name, "", DefectKind.MALFORMED_FILE, str(error), "error")
        return {"": ReadResult([], [defect])}


def verified(dataset: DatasetConfig, *, workers: int | None, with_look: bool) -> Verified:
    """Every picture of a dataset opened, with the progress on the console; arguments as `verify` has them."""
    shown = partial(_shown, dataset.name)
    return verify(read_splits(dataset), workers=worker_count(workers), with_look=with_look, progress=shown)


def worker_count(workers: int | None) -> int:
    """As many as are asked for; null: one for each core."""
    return (os.cpu_count() or 1) if workers is None else workers


def _shown(name: str, items: Iterable[Item], total: int) -> Iterable[Item]:
    return progress_over(items, f"{name}: pictures", total)
