"""PMC-VQA: four options on figures of PubMed Central, in two versions of CSV files.

Layout below the root: version 1 `train.csv`, `test.csv`, `test_clean.csv` with `images/`; version 2 `train_2.csv`,
`test_2.csv` with `figures/`. A split is the name of its file without `.csv`. Version 2 has the figure's caption, which
is not asked with the question, as it often says the answer.

Source: Zhang et al. 2023, arXiv:2305.10415; `RadGenome/PMC-VQA` on the Hugging Face hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import ImageFolder, Reading, RecordFault, gold_letter, parsed_options, read_table, text_of
from pathvlm_r1.data.sample import Sample

PMC_VQA_SPLITS = ("train", "test", "test_clean", "train_2", "test_2")

_CHOICES = {letter: f"Choice {letter}" for letter in "ABCD"}
_TEXTS = {"picture": ("Figure_path",), "question": ("Question",), **{c: (c,) for c in _CHOICES.values()}}
_FIRST = _TEXTS | {"answer": ("Answer", "Anwser"), "label": ("Answer_label",)}  # the card misspells a column
_SECOND = _TEXTS | {"answer": ("Answer", "Anwser")}


def read_pmc_vqa(root: Path, *, split: str, path_map: Mapping[str, str], name: str = "pmc_vqa") -> ReadResult:
    """The questions of one file; `question_type` is the split.

    Args:
        root: the folder with the CSV files and `images` or `figures`.
        split: one of PMC_VQA_SPLITS.
        path_map: beginnings of figure names -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the file is missing, or is no such table.
    """
    file, is_second = root / f"{split}.csv", split.endswith("_2")
    if not file.is_file():
        raise DatasetError(
            f"dataset.root {root}: no PMC-VQA folder ({file.name} is missing). Fetch RadGenome/PMC-VQA from the "
            "Hugging Face hub, unpack its images there, and set dataset.root to that folder."
        )
    table = read_table(file, _SECOND if is_second else _FIRST)
    images, reading = ImageFolder(root / ("figures" if is_second else "images"), path_map), Reading()
    for line, reason in table.faults:
        with reading.record(f"{split}.csv:{line}", file):
            raise RecordFault(DefectKind.MALFORMED_RECORD, f"{reason}; mend the row")
    for line, row in table.rows:
        with reading.record(record_id := f"{split}.csv:{line}", file):
            if table.is_windows_encoded:
                reading.warn_once(DefectKind.ENCODING, "not UTF-8, read as Windows-1252; look at its letters")
            reading.add(_sample(record_id, row, images, name, split))
    return reading.result


def _sample(record_id: str, row: Mapping[str, str], images: ImageFolder, name: str, split: str) -> Sample:
    picture = text_of(row, "picture")
    options = parsed_options([text_of(row, heading) for heading in _CHOICES.values()])
    return Sample(
        sample_id=record_id,
        image_id=picture,
        dataset=name,
        question_type=split,
        question=text_of(row, "question"),
        options=options,
        answer=_letter(row, options),
        rationale="",
        images=(images.find(picture),),
    )


def _letter(row: Mapping[str, str], options: tuple[str, ...]) -> str:
    """By the label of version 1, whose text must agree with it; by the letter of version 2."""
    answer = gold_letter(row["answer"], options)
    label = gold_letter(row["label"], options) if "label" in row else answer
    if label != answer:
        message = f"the label is {label}, and the answer {row['answer']!r} is option {answer}; mend the row"
        raise RecordFault(DefectKind.GOLD_CONTRADICTORY, message)
    return answer
