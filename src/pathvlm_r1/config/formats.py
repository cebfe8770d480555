"""What files in a format that people have may be asked; the values stand in `conf/dataset`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.rules import require_text, require_text_if_any
from pathvlm_r1.config.splits import OfficialSplits, Policy, require_place


@dataclass(frozen=True, kw_only=True)
class FilesConfig:
    """Files of one format below a folder; the values stand in `conf/dataset/{jsonl,llama_factory,trl,parquet}.yaml`."""

    name: str
    kind: Literal["jsonl", "llama_factory", "trl", "parquet"]
    root: str
    splits: OfficialSplits  # names of files; of llama_factory, of entries in dataset_info.json
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)


@dataclass(frozen=True, kw_only=True)
class FieldsConfig:
    """Where a row has the parts of a question; a dot leads into a field."""

    question: str
    answer: str
    image: str
    options: tuple[str, ...]

    def __post_init__(self) -> None:
        for name in ("question", "answer", "image"):
            require_text(getattr(self, name), f"dataset.fields.{name}")


@dataclass(frozen=True, kw_only=True)
class HubConfig:
    """A dataset of the hub, or a saved folder; the values stand in `conf/dataset/hf.yaml`."""

    name: str
    kind: Literal["hf"]
    root: str
    revision: str | None
    fields: FieldsConfig
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        require_text_if_any(self.revision, "dataset.revision")
