"""MedXpertQA MM: questions of medical examinations with five options and one to six pictures.

Layout below the root: `MM/test.jsonl` and `MM/dev.jsonl`, or these themselves, with `images/` there or beside `MM`. All
questions end with "Answer Choices: (A) …" as published: the contract writes the options itself, so they are taken out,
and what they say must be the record's own options. The authors' repository writes options, label and images as lists;
both are read.

Source: Zuo et al. 2025, arXiv:2501.18362; `TsinghuaC3I/MedXpertQA` on the Hugging Face hub.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import (
    ImageFolder,
    Reading,
    RecordFault,
    as_list,
    as_object,
    gold_letter,
    normalised,
    parsed_options,
    read_json_lines,
    text_of,
)
from pathvlm_r1.data.sample import Sample

MEDXPERTQA_SPLITS = ("dev", "test")

_CHOICES = "Answer Choices:"


def read_medxpertqa(root: Path, *, split: str, path_map: Mapping[str, str], name: str = "medxpertqa_mm") -> ReadResult:
    """The questions of one split; `question_type` is the medical task.

    Args:
        root: the folder with `MM` and `images`.
        split: one of MEDXPERTQA_SPLITS.
        path_map: beginnings of picture names -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the split's file is missing.
    """
    files = [file for place in ("MM", ".", "eval/data/medxpertqa/input") if (file := _file(root / place, split))]
    if not files:
        raise DatasetError(
            f"dataset.root {root}: no MedXpertQA folder (MM/{split}.jsonl is missing). Fetch TsinghuaC3I/MedXpertQA "
            "from the Hugging Face hub, unpack images.zip in it, and set dataset.root to that folder."
        )
    file = files[0]
    folders = [folder for folder in (root / "images", file.parent / "images") if folder.is_dir()]
    images, reading = ImageFolder(folders[0] if folders else root / "images", path_map), Reading()
    for line, record in read_json_lines(file):
        given = record.get("id") if isinstance(record, dict) else None
        with reading.record(record_id := given if isinstance(given, str) else f"{split}:{line}", f"{file}:{line}"):
            if isinstance(record, DatasetError):
                raise RecordFault(DefectKind.MALFORMED_FILE, str(record))
            reading.add(_sample(record_id, as_object(record), images, reading, name))
    return reading.result


def _file(folder: Path, split: str) -> Path | None:
    return next((file for name in (split, f"mm_{split}") if (file := folder / f"{name}.jsonl").is_file()), None)


def _sample(record_id: str, record: Mapping[str, Any], images: ImageFolder, reading: Reading, name: str) -> Sample:
    options = parsed_options(record.get("options"))
    label = record.get("label")
    listed = as_list(record.get("images"), "images")
    named = [image.get("image_path") if isinstance(image, dict) else image for image in listed]
    if not named:
        raise RecordFault(DefectKind.IMAGE_COUNT, "no image, and the questions of this set have at least one", "skip")
    return Sample(
        sample_id=record_id,
        image_id="+".join(map(str, named)),
        dataset=name,
        question_type=str(record.get("medical_task") or "question"),
        question=_question(text_of(record, "question"), options, reading),
        options=options,
        answer=gold_letter(label[0] if isinstance(label, list) and len(label) == 1 else label, options),
        rationale="",
        images=tuple(map(images.find, named)),
    )


def _question(text: str, options: Sequence[str], reading: Reading) -> str:
    """The question without the choices at its end.

    Raises:
        RecordFault: the choices there are not the record's options.
    """
    question, mark, choices = text.rpartition(_CHOICES)
    if not mark:
        return text
    written = " ".join(f"({letter}) {option}" for letter, option in zip("ABCDEFGHI", options, strict=False))
    if normalised(choices) != normalised(written):
        message = f"the question ends with the choices {choices.strip()[:80]!r}, and these are not its options"
        raise RecordFault(DefectKind.CHOICES_IN_QUESTION, f"{message}; mend the record")
    reading.warn(DefectKind.CHOICES_IN_QUESTION, "the choices at the end of the question are taken out of it")
    return question.strip()
