"""What a mixture of datasets may be asked; the values stand in `conf/dataset/mixture.yaml`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from pathvlm_r1.config.rules import require, require_positive, require_text

DIVIDED = (
    "a mixture is divided source by source: make a file for each with `python src/data.py task=split "
    "dataset=<source> out=FILE`, and give it as split_file within dataset.sources.<source>.change"
)


@dataclass(frozen=True, kw_only=True)
class SourceConfig:
    """One dataset of a mixture."""

    weight: float  # how often it is drawn in training, relative to the others
    change: Mapping[str, Any] | None  # keys of its file -> other values


@dataclass(frozen=True, kw_only=True)
class MixtureConfig:
    """Datasets of `conf/dataset` by name, as one."""

    name: str
    kind: Literal["mixture"]
    sources: Mapping[str, SourceConfig]
    split_file: str | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_text(self.name, "dataset.name")
        count = len(self.sources)
        require(count >= 2, "dataset.sources", ", ".join(self.sources), "at least 2: of one, take dataset= itself")
        for name, source in self.sources.items():
            require_positive(source.weight, f"dataset.sources.{name}.weight")
        require(self.split_file is None, "dataset.split_file", self.split_file, DIVIDED)

    @property
    def weights(self) -> dict[str, float]:
        """Source -> weight."""
        return {name: source.weight for name, source in self.sources.items()}
