"""Any dataset of the Hugging Face hub, or a folder that `datasets` saved, by a map of its fields.

Rows are taken as they are stored: no picture is decoded, and code that comes with a dataset is never run.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.formats.flat import as_images
from pathvlm_r1.data.formats.questions import Asked, rows_result
from pathvlm_r1.data.formats.rows import saved_rows, stored_rows
from pathvlm_r1.data.records import ImageFolder, Reading, RecordFault, as_object


@dataclass(frozen=True)
class FieldMap:
    """Where a row has the parts of a question; a dot leads into a field, as in reward_model.ground_truth."""

    question: str
    answer: str
    image: str  # one or a list
    options: Sequence[str]  # none: open, closed or in the question's text; one: that field; several: a field each


def read_hub(
    root: str, *, split: str, fields: FieldMap, revision: str | None, path_map: Mapping[str, str], name: str = "hf"
) -> ReadResult:
    """The questions of one split.

    Args:
        root: a saved folder, or a hub id.
        split: its name there.
        fields: where the parts are.
        revision: of the hub's dataset; None for a folder.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the folder or the hub's dataset cannot be read.
    """
    folder = Path(root).expanduser()
    rows = _saved(folder, split) if folder.is_dir() else _of_hub(root, split, revision)
    read = partial(_asked, fields=fields)
    return rows_result(rows, file=root, split=split, dataset=name, pictures=ImageFolder(folder, path_map), read=read)


def _saved(folder: Path, split: str) -> Iterator[tuple[str, object]]:
    """One split of a folder of splits, or the folder itself, which has none."""
    return saved_rows(folder / split if (folder / split).is_dir() else folder)


def _of_hub(hub_id: str, split: str, revision: str | None) -> Iterator[tuple[str, object]]:
    from datasets import load_dataset

    if revision is None:
        raise DatasetError(
            f"dataset.root {hub_id}: no such folder. For a dataset of the hub give its commit, dataset.revision=…: "
            "another state of it would be other data."
        )
    try:
        found = load_dataset(hub_id, split=split, revision=revision)
    except (OSError, ValueError, RuntimeError) as fault:  # no network, no such id or split, gated, or code of its own
        raise DatasetError(f"dataset.root {hub_id}, split {split}: {str(fault).splitlines()[0]}") from fault
    return stored_rows(found)


def _asked(row: object, _: Reading, *, fields: FieldMap) -> Asked:
    record = as_object(row)
    options = [_part(record, name) for name in fields.options]
    text = _part(record, fields.question)
    if not isinstance(text, str) or not text.strip():
        raise RecordFault(DefectKind.MALFORMED_RECORD, f"no text in field {fields.question}; mend the record")
    return Asked(
        text, _part(record, fields.answer), as_images(_part(record, fields.image)),
        options=None if not options else options[0] if len(options) == 1 else _without_empty_end(options),
    )  # fmt: skip


def _without_empty_end(options: list[Any]) -> list[Any]:
    """Columns that only longer questions fill are empty at the end."""
    while options and options[-1] in (None, ""):
        options.pop()
    return options


def _part(record: Mapping[str, Any], name: str) -> Any:
    value: Any = record
    for key in name.split("."):
        if not isinstance(value, Mapping) or key not in value:
            raise RecordFault(
                DefectKind.MALFORMED_RECORD,
                f"no field {name}; the row has {', '.join(map(str, record))}. See dataset.fields",
            )
        value = value[key]
    return value
