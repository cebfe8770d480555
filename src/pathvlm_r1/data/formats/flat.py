"""Rows with a field for each part, under the names that people give them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.formats.questions import Asked
from pathvlm_r1.data.records import RecordFault, text_of

_QUESTION = ("question", "problem")
_ANSWER = ("answer_label", "answer", "solution")  # a letter says more than its text
_IMAGES = ("images", "image")


def flat_question(row: Mapping[str, Any]) -> Asked:
    """A row of Med-R1 (`image, problem, solution`), EasyR1 (`problem, answer, images`) or MedVLThinker (with options).

    Raises:
        RecordFault: one of the parts is missing.
    """
    return Asked(
        text=text_of(row, _name(row, _QUESTION)),
        answer=row[_name(row, _ANSWER)],
        images=as_images(row[_name(row, _IMAGES)]),
        options=row.get("options"),
        question_type=type_of(row),
        rationale=str(row.get("rationale") or ""),
    )


def type_of(row: Mapping[str, Any]) -> str:
    """The type of a row's question: its own, else the set that it comes from, which mixed tables name."""
    return str(row.get("question_type") or row.get("dataset_name") or row.get("data_source") or "question")


def as_images(cell: object) -> list[object]:
    """One picture or several, or none."""
    if cell is None:
        return []
    return list(cell) if isinstance(cell, list | tuple) else [cell]


def _name(row: Mapping[str, Any], names: tuple[str, ...]) -> str:
    found = next((name for name in names if row.get(name) is not None), None)
    if found is None:
        raise RecordFault(
            DefectKind.MALFORMED_RECORD, f"no field {' or '.join(names)}; it has {', '.join(map(str, row))}"
        )
    return found
