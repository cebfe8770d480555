"""SLAKE: questions on radiological pictures, in English and Chinese, open and closed.

Layout below the root: `train.json`, `validation.json` (once `validate.json`), `test.json` and
`imgs/xmlab<N>/source.jpg`: every picture's file has the same name, its folder tells them apart. A closed question is
not only one of yes or no; the others are asked openly, as their choices are not published.

Source: Liu et al. 2021, arXiv:2102.09542; `BoKelvin/SLAKE` on the Hugging Face hub.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import ImageFolder, Reading, as_object, closed_or_open, read_json, text_of
from pathvlm_r1.data.sample import Sample

SLAKE_SPLITS = ("train", "validation", "test")
SLAKE_LANGUAGES = ("en", "zh")

_FILES = {"train": ("train.json",), "validation": ("validation.json", "validate.json"), "test": ("test.json",)}
_YES_NO = {"是": "yes", "是的": "yes", "有": "yes", "不是": "no", "否": "no", "没有": "no"}


def read_slake(
    root: Path, *, split: str, languages: tuple[str, ...], path_map: Mapping[str, str], name: str = "slake"
) -> ReadResult:
    """The questions of one split; `question_type` is OPEN or CLOSED with the content that is asked for.

    Args:
        root: the folder with the JSON files and `imgs`.
        split: one of SLAKE_SPLITS.
        languages: of SLAKE_LANGUAGES; records in another are not read.
        path_map: beginnings of picture names -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the split's file is missing or cannot be read.
    """
    files = [file for candidate in _FILES[split] if (file := root / candidate).is_file()]
    if not files:
        raise DatasetError(
            f"dataset.root {root}: no SLAKE folder ({_FILES[split][0]} is missing). Fetch BoKelvin/SLAKE from the "
            "Hugging Face hub, unpack imgs.zip in it, and set dataset.root to that folder."
        )
    content = read_json(files[0])
    if not isinstance(content, list):
        raise DatasetError(f"{files[0]}: not a list of records. Fetch the file again.")
    images, reading = ImageFolder(root / "imgs", path_map), Reading()
    for place, record in enumerate(content):
        if isinstance(record, dict) and record.get("q_lang") in set(SLAKE_LANGUAGES) - set(languages):
            continue
        given = record.get("qid") if isinstance(record, dict) else None
        with reading.record(record_id := f"{split}/{given if isinstance(given, int) else f'#{place}'}", files[0]):
            reading.add(_sample(record_id, as_object(record), images, name))
    return reading.result


def _sample(record_id: str, record: Mapping[str, Any], images: ImageFolder, name: str) -> Sample:
    picture, answer = text_of(record, "img_name"), text_of(record, "answer")
    options, letter = closed_or_open(_YES_NO.get(answer, answer))
    return Sample(
        sample_id=record_id,
        image_id=picture,
        dataset=name,
        question_type=f"{text_of(record, 'answer_type')} {text_of(record, 'content_type')}",
        question=text_of(record, "question"),
        options=options,
        answer=letter,
        rationale="",
        images=(images.find(picture),),
    )
