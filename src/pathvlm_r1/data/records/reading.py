"""Gathering samples and defects: a fault of one record ends that record, and the next one is read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from pathvlm_r1.data.defects import Action, Defect, DefectKind, ReadResult
from pathvlm_r1.data.records.faults import RecordFault, shortened
from pathvlm_r1.data.records.options import normalised
from pathvlm_r1.data.sample import Sample

_VISION_MARK = re.compile(r"<\|(?:image_pad|video_pad|vision_start|vision_end|vision_pad|im_start|im_end)\|>")
_PICTURE = r"(?:image|picture|figure|photo|photograph|slide|panel|scan)"
_OTHER_PICTURE = re.compile(
    rf"\b(?:previous|preceding|prior|earlier|last|next|second|third|other)\s+{_PICTURE}\b"
    rf"|\bboth\s+{_PICTURE}s\b|\b{_PICTURE}s\s+(?:[A-D]|[1-4])\s*(?:and|&|,)\s*(?:[A-D]|[1-4])\b",
    re.IGNORECASE,
)


@dataclass
class Reading:
    """What one reader has found so far.

    with reading.record("PubMed/val/17", path):
        reading.add(sample)  # or raise a RecordFault
    """

    samples: list[Sample] = field(default_factory=list)
    defects: list[Defect] = field(default_factory=list)
    _place: tuple[str, str] = ("", "")
    _asked: dict[tuple[object, ...], str] = field(default_factory=dict)
    _ids: set[str] = field(default_factory=set)

    @contextmanager
    def record(self, record: str, file: object) -> Iterator[None]:
        """Read one record; a `RecordFault` within becomes a defect of it."""
        self._place = (record, str(file))
        try:
            yield
        except RecordFault as fault:
            self.defects.append(Defect(record, str(file), fault.kind, str(fault), fault.action))

    def warn(self, kind: DefectKind, message: str, action: Action = "warn") -> None:
        """Note a defect of the current record, by default one that does not keep it out."""
        record, file = self._place
        self.defects.append(Defect(record, file, kind, message, action))

    def warn_once(self, kind: DefectKind, message: str) -> None:
        """The same for what is true of a whole file: noted at the first of its records alone."""
        if all(defect.defect is not kind for defect in self.defects):
            self.warn(kind, message)

    def add(self, sample: Sample) -> None:
        """Keep a sample.

        Raises:
            RecordFault: its id or its question stands in an earlier record, or it cannot be asked.
        """
        _require_askable(sample)
        if sample.sample_id in self._ids:
            raise RecordFault(
                DefectKind.DUPLICATE_ID, f"{sample.sample_id} names an earlier record too; give each its own"
            )
        earlier = self._asked.setdefault(asked(sample), sample.sample_id)
        if earlier != sample.sample_id:
            message = f"asks what {earlier} asks of the same picture; only the first one is kept"
            raise RecordFault(DefectKind.DUPLICATE_QUESTION, message, "skip")
        self._ids.add(sample.sample_id)
        self.samples.append(sample)

    @property
    def result(self) -> ReadResult:
        """All of it."""
        return ReadResult(self.samples, self.defects)


def asked(sample: Sample) -> tuple[object, ...]:
    """What a sample asks and of which picture, whatever its id and however it is written."""
    return (sample.image_id, normalised(sample.question), *map(normalised, sample.options), sample.answer)


def _require_askable(sample: Sample) -> None:
    for text in (sample.question, *sample.options, sample.rationale):
        mark = _VISION_MARK.search(text)
        if mark is not None:
            raise RecordFault(
                DefectKind.IMAGE_TOKEN_IN_TEXT,
                f"the text holds {mark[0]}, a mark of the model; take it out of the record",
            )
    other = _OTHER_PICTURE.search(sample.question) if len(sample.images) == 1 else None
    if other is not None:
        message = f"the question speaks of {other[0]!r}, and the record has one picture; left out"
        raise RecordFault(DefectKind.OTHER_IMAGE, message, "skip")


def text_of(fields: Mapping[str, Any], name: str) -> str:
    """A field that must hold text.

    Raises:
        RecordFault: it is missing, of another type or empty.
    """
    value = fields.get(name)
    if isinstance(value, str) and value.strip():
        return value.strip()
    found = "is missing" if name not in fields else f"is {shortened(value)}"
    raise RecordFault(DefectKind.MALFORMED_RECORD, f"field {name!r} {found}, and a text is needed; mend the record")


def as_object(record: object) -> dict[str, Any]:
    """A record with named fields.

    Raises:
        RecordFault: it is something else.
    """
    if isinstance(record, dict):
        return record
    raise RecordFault(
        DefectKind.MALFORMED_RECORD, f"{shortened(record)} stands where an object is expected; mend the record"
    )


def as_list(value: object, what: str) -> Sequence[Any]:
    """A list.

    Raises:
        RecordFault: it is something else.
    """
    if isinstance(value, list):
        return value
    raise RecordFault(
        DefectKind.MALFORMED_RECORD, f"{what} is {shortened(value)}, and a list is expected; mend the record"
    )
