"""Parquet with the pictures in the rows: for TRL, EasyR1, verl and lmms-eval.

A column of pictures is one of `datasets`' images, so that its loader gives pictures and not bytes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from pathvlm_r1.data.exporting.pictures import PictureFile
from pathvlm_r1.data.exporting.questions import asked_text, gold, marked_text, reference
from pathvlm_r1.data.sample import Sample

Row = dict[str, Any]
ROWS_AT_ONCE = 64  # in memory, with their pictures

_TEXT = "string"
_IMAGES = "images"
_PARTS = [{"type": _TEXT, "text": _TEXT}]
_MESSAGES = [{"role": _TEXT, "content": _PARTS}]
_ALWAYS = {"id": _TEXT, "question_type": _TEXT, _IMAGES: [_IMAGES]}


@dataclass(frozen=True)
class TableFormat:
    """One program's table."""

    row: Callable[[Sample], Row]  # without what every table has: id, question_type and images
    columns: dict[str, Any]  # name -> type of what `row` gives


def write_table(path: Path, form: TableFormat, rows: Iterable[tuple[Sample, Sequence[PictureFile]]]) -> None:
    """Write one file, some rows at a time."""
    from pyarrow import Table, parquet

    schema = _schema(form)
    with parquet.ParquetWriter(path, schema) as writer:
        for some in _some(rows):
            writer.write_table(Table.from_pylist([_whole(form, *one) for one in some], schema=schema))


def _trl_row(sample: Sample) -> Row:
    """`prompt` and `completion` for SFT; GRPO takes the prompt, and hands `solution` to its rewards."""
    marks = [{"type": "image", "text": None}] * len(sample.images)
    return {
        "prompt": [{"role": "user", "content": [*marks, {"type": "text", "text": asked_text(sample)}]}],
        "completion": [{"role": "assistant", "content": [{"type": "text", "text": reference(sample)}]}],
        "solution": gold(sample),
    }


def _easyr1_row(sample: Sample) -> Row:
    return {"problem": marked_text(sample), "answer": gold(sample), "rationale": sample.rationale}


def _lmms_eval_row(sample: Sample) -> Row:
    return _easyr1_row(sample) | {"choices": list(sample.options)}


def _verl_row(sample: Sample) -> Row:
    return {
        "data_source": sample.dataset,
        "prompt": [{"role": "user", "content": marked_text(sample)}],
        "ability": "vqa",
        "reward_model": {"style": "rule", "ground_truth": gold(sample)},
        "extra_info": {"index": sample.sample_id, "answer": gold(sample), "question": asked_text(sample)},
        "rationale": sample.rationale,
    }


TABLE_FORMATS = {
    "trl": TableFormat(_trl_row, {"prompt": _MESSAGES, "completion": _MESSAGES, "solution": _TEXT}),
    "easyr1": TableFormat(_easyr1_row, {"problem": _TEXT, "answer": _TEXT, "rationale": _TEXT}),
    "lmms_eval": TableFormat(
        _lmms_eval_row, {"problem": _TEXT, "answer": _TEXT, "rationale": _TEXT, "choices": [_TEXT]}
    ),
    "verl": TableFormat(
        _verl_row,
        {
            "data_source": _TEXT,
            "prompt": [{"role": _TEXT, "content": _TEXT}],
            "ability": _TEXT,
            "reward_model": {"style": _TEXT, "ground_truth": _TEXT},
            "extra_info": {"index": _TEXT, "answer": _TEXT, "question": _TEXT},
            "rationale": _TEXT,
        },
    ),
}


def _whole(form: TableFormat, sample: Sample, pictures: Sequence[PictureFile]) -> Row:
    held = [{"bytes": picture.content, "path": picture.name} for picture in pictures]
    return {"id": sample.sample_id, "question_type": sample.question_type, _IMAGES: held, **form.row(sample)}


def _schema(form: TableFormat) -> Any:
    """Of Arrow, with what tells `datasets` which column holds pictures."""
    from datasets import Features, Image, Value

    def typed(kind: Any) -> Any:
        if isinstance(kind, dict):
            return {name: typed(part) for name, part in kind.items()}
        if isinstance(kind, list):
            return [typed(kind[0])]
        return Image() if kind == _IMAGES else Value(kind)

    return Features(typed(_ALWAYS | form.columns)).arrow_schema


def _some(rows: Iterable[tuple[Sample, Sequence[PictureFile]]]) -> Iterator[list[tuple[Sample, Sequence[PictureFile]]]]:
    left = iter(rows)
    while some := list(islice(left, ROWS_AT_ONCE)):
        yield some
