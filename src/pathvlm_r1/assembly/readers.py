"""The reader of each published dataset, called with the values of its configuration."""

from __future__ import annotations

from functools import singledispatch
from pathlib import Path

from pathvlm_r1.config import (
    ChoicesConfig,
    FilesConfig,
    HubConfig,
    HubTablesConfig,
    OmniMedVQAConfig,
    OmniMedVQAHardConfig,
    PathMMUConfig,
    PublishedConfig,
    SlakeConfig,
)
from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.formats import FieldMap, read_hub, read_jsonl, read_llama_factory, read_rl_parquet, read_trl
from pathvlm_r1.data.published import (
    PUBLISHED_SPLITS,
    read_medxpertqa,
    read_omnimedvqa,
    read_omnimedvqa_hard,
    read_pathmmu,
    read_pathvqa,
    read_pmc_vqa,
    read_slake,
    read_vqa_rad,
)


def official_splits(dataset: PublishedConfig) -> tuple[str, ...]:
    """The splits that the configuration names; all that the set has, where it names none or counts them."""
    named = tuple(dict.fromkeys(name for names in dataset.splits.values() for name in names))
    is_counted = isinstance(dataset, PathMMUConfig) and dataset.expected_records is not None
    return PUBLISHED_SPLITS.get(dataset.kind, ()) if is_counted or not named else named


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


@read_split.register
def _(dataset: HubTablesConfig, split: str) -> ReadResult:
    read = {"pathvqa": read_pathvqa, "vqa_rad": read_vqa_rad}[dataset.kind]
    return read(_root(dataset), split=split, name=dataset.name)


@read_split.register
def _(dataset: SlakeConfig, split: str) -> ReadResult:
    return read_slake(
        _root(dataset), split=split, languages=dataset.languages, path_map=dataset.path_map or {}, name=dataset.name
    )


@read_split.register
def _(dataset: ChoicesConfig, split: str) -> ReadResult:
    read = {"pmc_vqa": read_pmc_vqa, "medxpertqa_mm": read_medxpertqa}[dataset.kind]
    return read(_root(dataset), split=split, path_map=dataset.path_map or {}, name=dataset.name)


@read_split.register
def _(dataset: FilesConfig, split: str) -> ReadResult:
    read = {"jsonl": read_jsonl, "llama_factory": read_llama_factory, "trl": read_trl, "parquet": read_rl_parquet}
    return read[dataset.kind](_root(dataset), split=split, path_map=dataset.path_map or {}, name=dataset.name)


@read_split.register
def _(dataset: HubConfig, split: str) -> ReadResult:
    return read_hub(
        dataset.root, split=split, fields=FieldMap(**vars(dataset.fields)), revision=dataset.revision,
        path_map=dataset.path_map or {}, name=dataset.name,
    )  # fmt: skip


def _root(dataset: PublishedConfig) -> Path:
    return Path(dataset.root).expanduser()
