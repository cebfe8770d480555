"""Rows of a file or folder, whatever holds them: JSON lines, a JSON list, Parquet, or a saved `datasets` folder."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.formats.questions import Asked, rows_result
from pathvlm_r1.data.records import ImageFolder, Reading, read_json, read_json_lines, read_parquet

_ROWS_AT_ONCE = 256
_PICKLES = (".pkl", ".pickle", ".pt", ".npy", ".joblib")


def file_result(
    path: Path, *, split: str, dataset: str, pictures: ImageFolder, read: Callable[[object, Reading], Asked]
) -> ReadResult:
    """Every row of a file or saved folder as a sample or a defect; arguments as `rows_result` has them.

    Raises:
        DatasetError: as `rows_of`.
    """
    return rows_result(rows_of(path), file=path, split=split, dataset=dataset, pictures=pictures, read=read)


def rows_of(path: Path) -> Iterator[tuple[str, object]]:
    """Place and content of every row; pictures stay bytes or paths.

    Raises:
        DatasetError: missing, cannot be read, or of a kind that is not read; pickles never are.
    """
    if path.suffix in _PICKLES:
        raise DatasetError(f"{path}: a pickle can run any code and is not read. Save it as JSON lines or Parquet.")
    if path.is_dir():
        yield from saved_rows(path)
    elif path.suffix == ".jsonl":
        yield from ((str(line), row) for line, row in read_json_lines(path))
    elif path.suffix == ".json":
        content = read_json(path)
        if not isinstance(content, list):
            raise DatasetError(f"{path}: not a list of records. Is it the right file?")
        yield from ((str(place), row) for place, row in enumerate(content))
    elif path.suffix == ".parquet":
        if not path.is_file():
            raise DatasetError(f"{path}: no such file. Fetch it, or check dataset.root and dataset.splits.")
        yield from ((str(place), row) for _, place, row in read_parquet([path], None))
    else:
        raise DatasetError(
            f"{path}: neither .jsonl, .json or .parquet nor a saved datasets folder. Check dataset.splits."
        )


def saved_rows(folder: Path) -> Iterator[tuple[str, object]]:
    """The rows of a folder that `datasets` saved, as they are stored: no picture is decoded, no code is run.

    Raises:
        DatasetError: it is none, or holds several splits.
    """
    from datasets import Dataset, load_from_disk

    try:
        found = load_from_disk(str(folder))
    except (OSError, ValueError, KeyError) as fault:
        raise DatasetError(f"{folder}: no folder that datasets saved ({fault}). Check dataset.root.") from fault
    if not isinstance(found, Dataset):
        raise DatasetError(
            f"{folder}: holds the splits {', '.join(found)}; name one, as in {folder.name}/{next(iter(found))}"
        )
    yield from stored_rows(found)


def stored_rows(dataset: Any) -> Iterator[tuple[str, object]]:
    """The rows of a loaded split as they are stored."""
    place = 0
    for table in dataset.with_format("arrow").iter(batch_size=_ROWS_AT_ONCE):
        for row in table.to_pylist():
            yield str(place), row
            place += 1
