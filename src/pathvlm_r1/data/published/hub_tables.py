"""PathVQA and VQA-RAD: open and yes/no questions in Parquet files that hold the pictures.

Layout below the root: `data/train-*.parquet`, of PathVQA `validation-*` too, and `test-*`, or the files themselves.
Columns are `image` (bytes), `question` and `answer`. No picture has a name: its id is the hash of its bytes, and
pictures that several rows repeat are held once. Train and test of VQA-RAD share pictures as published: its test is no
test of new pictures.

Source: He et al. 2020, arXiv:2003.10286, and Lau et al. 2018, doi:10.1038/sdata.2018.251; `flaviagiammarino/path-vqa`
and `flaviagiammarino/vqa-rad` on the Hugging Face hub.
"""

from __future__ import annotations

from pathlib import Path

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import HeldPictures, Reading, closed_or_open, parquet_files, read_parquet, text_of
from pathvlm_r1.data.sample import Sample

PATHVQA_SPLITS = ("train", "validation", "test")
VQA_RAD_SPLITS = ("train", "test")

_HASH_CHARACTERS = 16  # of a picture's hash in its id


def read_pathvqa(root: Path, *, split: str, name: str = "pathvqa") -> ReadResult:
    """The questions of one published split of PathVQA; `question_type` is yes/no or open.

    Raises:
        DatasetError: the split's files are missing or cannot be read.
    """
    return _read(root, split, name, "flaviagiammarino/path-vqa")


def read_vqa_rad(root: Path, *, split: str, name: str = "vqa_rad") -> ReadResult:
    """The questions of one published split of VQA-RAD; `question_type` is yes/no or open.

    Raises:
        DatasetError: the split's files are missing or cannot be read.
    """
    return _read(root, split, name, "flaviagiammarino/vqa-rad")


def _read(root: Path, split: str, name: str, hub_id: str) -> ReadResult:
    files = parquet_files(root, split)
    if not files:
        pickles = " Its original release of pickles is not read: a pickle can run any code." * any(root.rglob("*.pkl"))
        raise DatasetError(
            f"dataset.root {root}: no {split}-*.parquet, neither there nor in data/.{pickles} Fetch {hub_id} from the "
            "Hugging Face hub, at a fixed revision, and set dataset.root to that folder."
        )
    reading, pictures = Reading(), HeldPictures()
    for count, (file, number, row) in enumerate(read_parquet(files, ["image", "question", "answer"])):
        record_id = f"{split}/{count}"
        with reading.record(record_id, f"{file}:{number}"):
            digest, picture = pictures.hold(row["image"], f"{file} row {number}")
            options, letter = closed_or_open(text_of(row, "answer"))
            reading.add(
                Sample(
                    sample_id=record_id, image_id=digest[:_HASH_CHARACTERS], dataset=name,
                    question_type="open" if len(options) == 1 else "yes/no", question=text_of(row, "question"),
                    options=options, answer=letter, rationale="", images=(picture,),
                )
            )  # fmt: skip
    return reading.result
