"""LLaMA-Factory: dialogues in the ShareGPT form, found through `dataset_info.json`.

A split is the name of an entry there. Pictures are relative to the root, and each has its `<image>` in the text.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.formats.flat import as_images, type_of
from pathvlm_r1.data.formats.questions import Asked, only_exchange
from pathvlm_r1.data.formats.rows import file_result
from pathvlm_r1.data.records import ImageFolder, Reading, as_object, read_json, text_of

_TAGS = {
    "role_tag": "from",
    "content_tag": "value",
    "user_tag": "human",
    "assistant_tag": "gpt",
    "system_tag": "system",
}


def read_llama_factory(
    root: Path, *, split: str, path_map: Mapping[str, str], name: str = "llama_factory"
) -> ReadResult:  # fmt: skip
    """The questions of one entry of dataset_info.json.

    Args:
        root: the folder of dataset_info.json, the files that it names, and the pictures.
        split: the entry's name.
        path_map: beginnings of picture paths -> their place here.
        name: of the dataset in every table.

    Raises:
        DatasetError: no such entry, one of another form, or its file cannot be read.
    """
    entry = _entry(root / "dataset_info.json", split)
    read = partial(_asked, columns=entry.get("columns") or {}, tags=_TAGS | (entry.get("tags") or {}))
    return file_result(
        root / entry["file_name"], split=split, dataset=name, pictures=ImageFolder(root, path_map), read=read
    )


def _entry(file: Path, name: str) -> dict[str, Any]:
    entries = read_json(file)
    if not isinstance(entries, dict) or not isinstance(entries.get(name), dict):
        known = ", ".join(entries) if isinstance(entries, dict) else "none"
        raise DatasetError(f"{file}: no entry {name}; it has {known}. Give one in dataset.splits.")
    entry: dict[str, Any] = entries[name]
    if not isinstance(entry.get("file_name"), str):
        raise DatasetError(f"{file}: {name} has no file_name. Fetch its data, and name the file that holds it.")
    if Path(entry["file_name"]).is_absolute() or ".." in Path(entry["file_name"]).parts:
        raise DatasetError(f"{file}: {name} is in {entry['file_name']}, out of {file.parent}. Put the file below it.")
    if entry.get("formatting") != "sharegpt":
        form = entry.get("formatting", "alpaca, its default")
        raise DatasetError(f"{file}: the formatting of {name} is {form}; sharegpt is read. Write it as dialogues.")
    return entry


def _asked(row: object, reading: Reading, *, columns: Mapping[str, str], tags: Mapping[str, str]) -> Asked:
    record = as_object(row)
    roles = {tags["user_tag"]: "user", tags["assistant_tag"]: "assistant", tags["system_tag"]: "system"}
    dialogue = record.get(columns.get("messages", "conversations"))
    question, answer = only_exchange(dialogue, tags["role_tag"], tags["content_tag"], roles, reading)
    images = as_images(record.get(columns.get("images", "images")))
    return Asked(
        text_of({tags["content_tag"]: question}, tags["content_tag"]), answer, images, question_type=type_of(record)
    )
