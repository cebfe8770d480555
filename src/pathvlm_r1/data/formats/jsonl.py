"""JSON lines of VLM-R1: `{id, image, conversations: [{from: human, value}, {from: gpt, value}]}`, or flat ones.

`image` is a path or a list of paths below the root; the gold answer may be a number.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.formats.flat import as_images, flat_question, type_of
from pathvlm_r1.data.formats.questions import Asked, only_exchange
from pathvlm_r1.data.formats.rows import file_result
from pathvlm_r1.data.records import ImageFolder, Reading, as_object, text_of

_ROLES = {"human": "user", "gpt": "assistant", "system": "system"}


def read_jsonl(root: Path, *, split: str, path_map: Mapping[str, str], name: str = "jsonl") -> ReadResult:
    """The questions of one file.

    Args:
        root: the folder of the file and of the pictures.
        split: the file's name.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the file cannot be read.
    """
    return file_result(root / split, split=split, dataset=name, pictures=ImageFolder(root, path_map), read=_asked)


def _asked(row: object, reading: Reading) -> Asked:
    record: Mapping[str, Any] = as_object(row)
    if "conversations" not in record:
        return flat_question(record)
    question, answer = only_exchange(record["conversations"], "from", "value", _ROLES, reading)
    images = as_images(record.get("image", record.get("images")))
    return Asked(text_of({"value": question}, "value"), answer, images, question_type=type_of(record))
