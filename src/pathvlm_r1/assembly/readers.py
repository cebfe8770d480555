"""The reader of each published dataset, called with the values of its configuration."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path

from pathvlm_r1.config import OmniMedVQAConfig, OmniMedVQAHardConfig, PathMMUConfig, PublishedConfig
from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.published import (
    OMNIMEDVQA_SPLITS,
    PATHMMU_SPLITS,
    read_omnimedvqa,
    read_omnimedvqa_hard,
    read_pathmmu,
)

_SPLITS = {"pathmmu": PATHMMU_SPLITS, "omnimedvqa": OMNIMEDVQA_SPLITS, "omnimedvqa_hard": OMNIMEDVQA_SPLITS}


def official_splits(dataset: PublishedConfig) -> tuple[str, ...]:
    """The splits that a set is published with."""
    return _SPLITS[dataset.kind]


@singledispatch
def read_split(dataset: PublishedConfig, split: str) -> ReadResult:
    """The samples and defects of one published split, whatever the policy.

    Raises:
        DatasetError: a folder or a file that cannot be read at all.
    """
    raise TypeError(f"{type(dataset).__name__} has no reader, {split} cannot be read")


@read_split.register
def _(dataset: PathMMUConfig, split: str) -> ReadResult:
    return read_pathmmu(
        _root(dataset), split=split, sources=dataset.sources, path_map=dataset.path_map or {}, name=dataset.name
    )


@read_split.register
def _(dataset: OmniMedVQAConfig, split: str) -> ReadResult:
    return read_omnimedvqa(
        _root(dataset), split=split, sources=dataset.sources, path_map=dataset.path_map or {}, name=dataset.name
    )


@read_split.register
def _(dataset: OmniMedVQAHardConfig, split: str) -> ReadResult:
    return read_omnimedvqa_hard(
        _root(dataset), split=split, sources=dataset.sources, path_map=dataset.path_map or {}, seed=dataset.seed,
        name=dataset.name,
    )  # fmt: skip


def _root(dataset: PublishedConfig) -> Path:
    return Path(dataset.root).expanduser()
