"""TRL's conversational form: `messages` with the answer (SFT), or `prompt` and `solution` (GRPO), content in parts.

A split is a file of JSON lines, a JSON list, Parquet, or a folder that `datasets` saved. Pictures stand in `image` or
`images`, as paths or as `datasets` stores them.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.formats.flat import as_images, type_of
from pathvlm_r1.data.formats.questions import IMAGE_MARK, Asked, only_exchange
from pathvlm_r1.data.formats.rows import file_result
from pathvlm_r1.data.records import ImageFolder, Reading, RecordFault, as_object, shortened

_ROLES = {name: name for name in ("user", "assistant", "system")}


def read_trl(root: Path, *, split: str, path_map: Mapping[str, str], name: str = "trl") -> ReadResult:
    """The questions of one file or saved folder.

    Args:
        root: the folder of the files and pictures.
        split: the file's or folder's name.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: it cannot be read.
    """
    return file_result(root / split, split=split, dataset=name, pictures=ImageFolder(root, path_map), read=_asked)


def _asked(row: object, reading: Reading) -> Asked:
    record = as_object(row)
    dialogue = record.get("messages") or [*(record.get("prompt") or []), *(record.get("completion") or [])]
    question, answer = only_exchange(dialogue, "role", "content", _ROLES, reading)
    images = as_images(record.get("images") or record.get("image"))
    solution = record.get("solution", record.get("answer"))
    said = _text(answer) if answer is not None else solution
    return Asked(_text(question), said, images, question_type=type_of(record))


def _text(content: object) -> str:
    """The parts of a content as one text, with a mark in the place of each picture."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not all(isinstance(part, dict) for part in content):
        raise RecordFault(DefectKind.MALFORMED_RECORD, f"the content is {shortened(content)}, a text or parts are read")
    return "".join(IMAGE_MARK if part.get("type") == "image" else str(part.get("text") or "") for part in content)
