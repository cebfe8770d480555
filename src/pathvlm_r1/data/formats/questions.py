"""What the rows of every format come down to: a text, an answer, perhaps options, and pictures; and its sample."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import (
    HeldPictures,
    ImageFolder,
    Reading,
    RecordFault,
    as_list,
    closed_or_open,
    gold_letter,
    lettered_question,
    parsed_options,
    shortened,
)
from pathvlm_r1.data.sample import LETTERS, ImageSource, Sample

IMAGE_MARK = "<image>"

_ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_THINK = re.compile(r"<think>(.*?)</think>", re.DOTALL)


@dataclass(frozen=True)
class Asked:
    """A row, read in its format."""

    text: str  # with a mark for each picture, or without any
    answer: object
    images: Sequence[object]  # paths, bytes, or {bytes, path}
    options: object = None  # None: they stand in the text, or there are none
    question_type: str = "question"
    rationale: str = ""  # where it has a field of its own


@dataclass(frozen=True)
class Pictures:
    """The pictures of rows, from files and from the rows themselves."""

    folder: ImageFolder
    held: HeldPictures = field(default_factory=HeldPictures)

    def find(self, cell: object, place: str) -> tuple[str, ImageSource]:
        """The id and the picture of one cell.

        Raises:
            RecordFault: it is neither there nor in a file.
        """
        if isinstance(cell, Mapping) and cell.get("bytes") is None and cell.get("path"):
            cell = cell["path"]
        if isinstance(cell, str):
            return cell, self.folder.find(cell)
        digest, picture = self.held.hold(cell, place)
        return digest[:16], picture


def sample_of(asked: Asked, record_id: str, dataset: str, pictures: Pictures, reading: Reading) -> Sample:
    """The sample of a row: a choice where the row has options, in a field or in its text; else closed or open.

    Raises:
        RecordFault: it cannot be used.
    """
    found = [pictures.find(cell, record_id) for cell in asked.images]
    if not found:
        raise RecordFault(DefectKind.IMAGE_COUNT, "no picture; mend the record, or leave it out")
    question, options = _question_and_options(_without_marks(asked.text, len(found), reading), asked, reading)
    rationale, answer = _rationale_and_answer(asked.answer)
    if options:
        letter = gold_letter(answer, options)
    else:
        _refuse_bare_letter(answer)
        options, letter = closed_or_open(answer)
    return Sample(
        sample_id=record_id, image_id="+".join(name for name, _ in found), dataset=dataset,
        question_type=asked.question_type, question=question, options=options, answer=letter,
        rationale=rationale or " ".join(asked.rationale.split()),
        images=tuple(picture for _, picture in found),
    )  # fmt: skip


def _without_marks(text: str, pictures: int, reading: Reading) -> str:
    """The text without marks: the prompt has the pictures first, in their order."""
    marks = text.count(IMAGE_MARK)
    if marks != pictures and not (marks == 0 and pictures == 1):
        raise RecordFault(
            DefectKind.IMAGE_COUNT, f"{marks} marks {IMAGE_MARK} and {pictures} pictures; mend the record"
        )
    head = text.strip()
    while head.startswith(IMAGE_MARK):
        head = head.removeprefix(IMAGE_MARK).lstrip()
    if IMAGE_MARK in head and pictures > 1:
        reading.warn(DefectKind.IMAGE_COUNT, "pictures within the text are asked before it, in their order")
    return " ".join(part.strip(" ") for part in head.split(IMAGE_MARK)).strip()


def _question_and_options(text: str, asked: Asked, reading: Reading) -> tuple[str, tuple[str, ...]]:
    if not text:
        raise RecordFault(DefectKind.MALFORMED_RECORD, "there is no question; mend the record")
    if asked.options is not None:
        return text, parsed_options(asked.options)
    apart = lettered_question(text)
    if not apart.options:
        return text, ()
    if not apart.question:
        raise RecordFault(DefectKind.MALFORMED_RECORD, "there are options and no question; mend the record")
    if apart.rest:
        message = f"{shortened(apart.rest)} behind the options is left out: the prompt has its own instruction"
        reading.warn(DefectKind.INSTRUCTION_LEFT_OUT, message)
    return apart.question, parsed_options(list(apart.options))


def _refuse_bare_letter(answer: str) -> None:
    """A letter names an option: without options the question lost them, and is no open one."""
    if re.fullmatch(rf"\(?[{LETTERS}][).:]?", answer):
        raise RecordFault(
            DefectKind.OPTIONS_MISSING,
            f"the answer is the letter {answer}, and no options were found, neither in a field nor in the text with a "
            "bracket behind each letter, as in 'A) x B) y'; mend the record",
        )


def _rationale_and_answer(answer: object) -> tuple[str, str]:
    """Reasoning and answer of a reference with tags; of any other the answer alone."""
    if isinstance(answer, bool) or not isinstance(answer, str | int | float) or not str(answer).strip():
        missing = answer is None or answer == ""
        kind = DefectKind.GOLD_MISSING if missing else DefectKind.MALFORMED_RECORD
        raise RecordFault(kind, f"the answer is {shortened(answer)}, and a text is needed; mend the record")
    text = str(answer).strip()
    blocks = _ANSWER.findall(text)
    if not blocks:
        return "", text
    if len(set(map(str.strip, blocks))) > 1:
        raise RecordFault(DefectKind.GOLD_AMBIGUOUS, "there are several answers in tags that differ; mend the record")
    return " ".join(" ".join(_THINK.findall(text)).split()), blocks[0].strip()


def only_exchange(messages: object, role: str, content: str, roles: Mapping[str, str], reading: Reading) -> Any:
    """The content of the question and of the answer in a dialogue of one exchange.

    Args:
        messages: the dialogue.
        role: key of who speaks.
        content: key of what is said.
        roles: as the dialogue calls them -> user, assistant or system.
        reading: is told of a system text, which the contract does not ask with.

    Raises:
        RecordFault: it is no such dialogue, or a longer one.
    """
    said: dict[str, list[Any]] = {"user": [], "assistant": [], "system": []}
    for message in as_list(messages, "the dialogue"):
        speaker = roles.get(str(message.get(role))) if isinstance(message, dict) else None
        if speaker is None:
            known = ", ".join(roles)
            raise RecordFault(
                DefectKind.MALFORMED_RECORD, f"{shortened(message)} in the dialogue: {role!r} is one of {known}"
            )
        said[speaker].append(message.get(content))
    if said["system"]:
        reading.warn_once(DefectKind.INSTRUCTION_LEFT_OUT, "the system text is left out: the prompt has its own")
    if len(said["user"]) != 1 or len(said["assistant"]) > 1:
        turns = f"{len(said['user'])} questions and {len(said['assistant'])} answers"
        raise RecordFault(
            DefectKind.MALFORMED_RECORD, f"{turns}, and one exchange is read; cut the record into several"
        )
    return said["user"][0], said["assistant"][0] if said["assistant"] else None


def rows_result(
    rows: Iterator[tuple[str, object]], *, file: Path | str, split: str, dataset: str, pictures: ImageFolder,
    read: Callable[[object, Reading], Asked],
) -> ReadResult:  # fmt: skip
    """Every row as a sample or a defect.

    Args:
        rows: place and content; a content may be the `DatasetError` that was met in its place.
        file: where they stand.
        split: begins every id.
        dataset: its name.
        pictures: those that the rows name; others stand in them.
        read: a row in its format.
    """
    found = Pictures(pictures)
    reading = Reading()
    for place, row in rows:
        given = row.get("id") if isinstance(row, dict) else None
        is_id = isinstance(given, str | int) and not isinstance(given, bool) and given != ""
        with reading.record(record_id := f"{split}/{given if is_id else f'#{place}'}", f"{file}:{place}"):
            if isinstance(row, DatasetError):
                raise RecordFault(DefectKind.MALFORMED_FILE, str(row))
            reading.add(sample_of(read(row, reading), record_id, dataset, found, reading))
    return reading.result
