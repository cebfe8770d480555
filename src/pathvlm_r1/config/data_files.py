"""What may be asked of datasets as files: written for other programs, and fetched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.rules import require, require_positive, require_text
from pathvlm_r1.config.splits import Policy, Split
from pathvlm_r1.config.typed import checked, without

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(?<!\.zip)(?<!\.tar)(?<!\.gz)(?<!\.tgz)")
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, kw_only=True)
class ExportConfig:
    """Writing a split for another program; the values stand in `conf/data.yaml` and `conf/task/export.yaml`."""

    dataset: DatasetConfig
    task: Literal["export"]
    target: Literal["llama_factory", "trl", "easyr1", "verl", "lmms_eval"]
    split: Split
    n: int | None
    policy: Policy
    out: str

    @classmethod
    def checked(cls, composed: DictConfig) -> ExportConfig:
        """The configuration of `src/data.py task=export`, less the keys of the file that `src/eval.py` reads."""
        return checked(cls, without(composed, "hub_id", "private"))

    def __post_init__(self) -> None:
        if self.n is not None:
            require_positive(self.n, "n")
        require_text(self.out, "out")


@dataclass(frozen=True, kw_only=True)
class FetchConfig:
    """A dataset into a folder; the values stand in `conf/task/fetch.yaml`."""

    task: Literal["fetch"]
    source: str
    revision: str | None
    files: tuple[str, ...]
    archives: Mapping[str, str] | None
    max_gib: float
    max_ratio: float
    out: str

    @classmethod
    def checked(cls, composed: DictConfig) -> FetchConfig:
        """The configuration of `src/data.py task=fetch`, or a `ConfigError`."""
        return checked(cls, OmegaConf.masked_copy(composed, [str(key) for key in composed if key != "dataset"]))

    @property
    def is_local(self) -> bool:
        """Whether the source is a path and no hub id; what exists here is one, whatever it looks like."""
        return HUB_ID.fullmatch(self.source) is None or Path(self.source).exists()

    def __post_init__(self) -> None:
        require_text(self.out, "out")
        require_text(self.source, "source")
        if self.is_local:
            require(self.revision is None, "revision", self.revision, "null: the source is a file that is here")
            require(not self.files, "files", self.files, "[]: of an archive all is taken")
        else:
            rule = (
                f"the commit of {self.source}, 40 characters of 0-9a-f: names of branches come to mean other data (and "
                "if it was to be an archive, there is no such file)"
            )
            require(bool(self.revision and COMMIT.fullmatch(self.revision)), "revision", self.revision, rule)
        require_positive(self.max_gib, "max_gib")
        require_positive(self.max_ratio, "max_ratio")
        for archive, folder in (self.archives or {}).items():
            for name in (archive, folder):
                is_inside = not PurePosixPath(name).is_absolute() and ".." not in PurePosixPath(name).parts
                require(is_inside, f"archives.{archive}", folder, "names below out, without ..")
