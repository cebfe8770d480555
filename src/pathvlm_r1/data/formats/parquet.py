"""Parquet of EasyR1 (`problem, answer, images`) and of verl (`prompt, images, reward_model.ground_truth`).

A split is a file below the root. Pictures are bytes in the rows, or paths below the root.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pathvlm_r1.data.defects import DefectKind, ReadResult
from pathvlm_r1.data.formats.flat import as_images, flat_question, type_of
from pathvlm_r1.data.formats.questions import Asked, only_exchange
from pathvlm_r1.data.formats.rows import file_result
from pathvlm_r1.data.records import ImageFolder, Reading, RecordFault, as_object, text_of

_ROLES = {name: name for name in ("user", "assistant", "system")}


def read_rl_parquet(root: Path, *, split: str, path_map: Mapping[str, str], name: str = "parquet") -> ReadResult:
    """The questions of one file.

    Args:
        root: the folder of the file, and of pictures that rows name.
        split: the file's name.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: the file cannot be read.
    """
    return file_result(root / split, split=split, dataset=name, pictures=ImageFolder(root, path_map), read=_asked)


def _asked(row: object, reading: Reading) -> Asked:
    record = as_object(row)
    if "prompt" not in record:
        return flat_question(record)
    question, _ = only_exchange(record["prompt"], "role", "content", _ROLES, reading)
    reward = record.get("reward_model")
    if not isinstance(reward, dict) or "ground_truth" not in reward:
        raise RecordFault(DefectKind.GOLD_MISSING, "no field reward_model.ground_truth; mend the record")
    return Asked(
        text_of({"content": question}, "content"), reward["ground_truth"], as_images(record.get("images")),
        question_type=type_of(record), rationale=str(record.get("rationale") or ""),
    )  # fmt: skip
