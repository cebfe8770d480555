"""PathMMU: questions on histopathology from five sources, in the published `data.json`.

Layout below the root: `data/data.json` and `data/images/`, or both without `data`. The file is source -> split ->
records; `No` is unique within its split of its source alone. The splits are val, test and test_tiny (no train), and
`test` leaves out `test_tiny`: the leaderboard's "ALL" is both. images.zip holds PubMed, EduContent and PatchCamelyon;
the pictures of the other sources are fetched by the instructions of PathMMU's authors.

Source: Sun et al. 2024, arXiv:2401.16355; `jamessyx/PathMMU` on the Hugging Face hub (gated).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import (
    ImageFolder,
    Reading,
    as_list,
    as_object,
    gold_letter,
    parsed_options,
    read_json,
    text_of,
)
from pathvlm_r1.data.sample import Sample

PATHMMU_SPLITS = ("val", "test", "test_tiny")
PATHMMU_SOURCES = ("PubMed", "EduContent", "SocialPath", "Atlas", "PathCLS")


def read_pathmmu(
    root: Path, *, split: str, sources: Sequence[str], path_map: Mapping[str, str], name: str = "pathmmu"
) -> ReadResult:
    """The questions of one published split; `question_type` is the source.

    Args:
        root: the folder with `data/` or its content.
        split: one of PATHMMU_SPLITS.
        sources: of PATHMMU_SOURCES; others are not read, and their pictures not missed.
        path_map: beginnings of picture names -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: data.json is missing or cannot be read, or lacks a source or the split.
    """
    folder = root / "data" if (root / "data" / "data.json").is_file() else root
    file = folder / "data.json"
    if not file.is_file():
        raise DatasetError(
            f"dataset.root {root}: no PathMMU folder (data/data.json is missing). Ask for access to jamessyx/PathMMU "
            "on the Hugging Face hub, fetch it, unpack images.zip beside data.json, and set dataset.root to it."
        )
    content = read_json(file)
    images, reading = ImageFolder(folder / "images", path_map), Reading()
    for source in sources:
        for place, record in enumerate(_records(file, content, source, split)):
            number = record.get("No", f"#{place}") if isinstance(record, dict) else f"#{place}"
            record_id = f"{source}/{split}/{number}"
            with reading.record(record_id, file):
                reading.add(_sample(record_id, as_object(record), source, images, name))
    return reading.result


def _records(file: Path, content: Any, source: str, split: str) -> Sequence[Any]:
    by_split = content.get(source) if isinstance(content, dict) else None
    if not isinstance(by_split, dict):
        found = ", ".join(content) if isinstance(content, dict) else type(content).__name__
        raise DatasetError(f"{file}: no source {source}; it has {found}. Check dataset.sources and the file.")
    if not isinstance(by_split.get(split), list):
        raise DatasetError(f"{file}: {source} has no list of split {split}; it has {', '.join(by_split)}.")
    records: list[Any] = by_split[split]
    return records


def _sample(record_id: str, record: Mapping[str, Any], source: str, images: ImageFolder, name: str) -> Sample:
    options = parsed_options(as_list(record.get("options"), "options"))
    picture = text_of(record, "img")
    return Sample(
        sample_id=record_id,
        image_id=picture,
        dataset=name,
        question_type=source,
        question=text_of(record, "question"),
        options=options,
        answer=gold_letter(record.get("answer"), options),
        rationale=" ".join(str(record.get("explanation") or "").split()),
        images=(images.find(picture),),
    )
