"""OmniMedVQA: medical questions over many public image sets, one list of records a set.

Layout below the root: `QA_information/Open-access/<set>.json` (or `Restricted-access`) and `Images/<set>/…`; also with
the archive's own folder `OmniMedVQA` between. The gold answer is an option's text. There is one split, called test
here: training on any of it voids its scores.

The option texts alone solve many of its sets (the option that is most often right elsewhere: 97 to 100 % on the four
out-of-domain sets of the paper), so a score says little without the floor that is printed beside it;
`omnimedvqa_hard` asks the same pictures so that the text says nothing.

Source: Hu et al. 2024, arXiv:2402.09181; `foreverbeliever/OmniMedVQA` on the Hugging Face hub.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.records import (
    ImageFolder,
    Reading,
    as_object,
    gold_letter,
    parsed_options,
    read_json,
    text_of,
)
from pathvlm_r1.data.sample import Sample

OMNIMEDVQA_SPLITS = ("test",)

_ACCESS = ("Open-access", "Restricted-access")
_OPTION_KEYS = {f"option_{letter}": letter for letter in "ABCD"}


def read_omnimedvqa(
    root: Path, *, split: str, sources: Sequence[str], path_map: Mapping[str, str], name: str = "omnimedvqa"
) -> ReadResult:
    """The questions of some of its sets; `question_type` is <set>: <the set's type>.

    Args:
        root: the folder with `QA_information` and `Images`.
        split: "test", the only one.
        sources: names of sets, as their files are called without .json.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: no such folder or set, or a file that cannot be read.
    """
    if split not in OMNIMEDVQA_SPLITS:
        raise DatasetError(f"OmniMedVQA has no split {split!r}: it has one, {OMNIMEDVQA_SPLITS[0]}")
    images, reading = ImageFolder(omnimedvqa_folder(root), path_map), Reading()
    for record_id, file, record in omnimedvqa_records(root, sources):
        with reading.record(record_id, file):
            reading.add(_sample(record_id, as_object(record), images, reading, name))
    return reading.result


def omnimedvqa_folder(root: Path) -> Path:
    """The folder that holds QA_information.

    Raises:
        DatasetError: there is none.
    """
    for folder in (root, root / "OmniMedVQA"):
        if (folder / "QA_information").is_dir():
            return folder
    raise DatasetError(
        f"dataset.root {root}: no OmniMedVQA folder (QA_information is missing). Fetch OmniMedVQA.zip from "
        "foreverbeliever/OmniMedVQA on the Hugging Face hub, unpack it, and set dataset.root to the folder OmniMedVQA."
    )


def omnimedvqa_records(root: Path, sources: Sequence[str]) -> Iterator[tuple[str, Path, Any]]:
    """Id, file and content of every record of some sets.

    Raises:
        DatasetError: a set that is not there, or a file that cannot be read.
    """
    folder = omnimedvqa_folder(root) / "QA_information"
    for source in sources:
        files = [file for access in _ACCESS if (file := folder / access / f"{source}.json").is_file()]
        if not files:
            known = sorted(file.stem for access in _ACCESS for file in (folder / access).glob("*.json"))
            raise DatasetError(
                f"dataset.sources: OmniMedVQA below {folder} has no set {source!r}; it has {', '.join(known) or 'none'}"
            )
        content = read_json(files[0])
        if not isinstance(content, list):
            raise DatasetError(f"{files[0]}: not a list of records. Fetch the file again.")
        for place, record in enumerate(content):
            given = record.get("question_id") if isinstance(record, dict) else None
            yield (given if isinstance(given, str) else f"{source}#{place}"), files[0], record


def _sample(record_id: str, record: Mapping[str, Any], images: ImageFolder, reading: Reading, name: str) -> Sample:
    options = parsed_options({letter: record.get(key) for key, letter in _OPTION_KEYS.items()})
    if "modality_type" not in record:
        reading.warn(DefectKind.MALFORMED_RECORD, "no field 'modality_type', which is not needed; kept")
    picture = text_of(record, "image_path")
    return Sample(
        sample_id=record_id,
        image_id=picture,
        dataset=name,
        question_type=f"{text_of(record, 'dataset')}: {text_of(record, 'question_type')}",
        question=text_of(record, "question"),
        options=options,
        answer=gold_letter(record.get("gt_answer"), options),
        rationale="",
        images=(images.find(picture),),
    )
