"""What published datasets may be asked; the values stand in `conf/dataset`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pathvlm_r1.config.formats import FilesConfig, HubConfig
from pathvlm_r1.config.rules import require, require_positive, require_seed
from pathvlm_r1.config.splits import OfficialSplits, Policy, require_official, require_place
from pathvlm_r1.data.published import CLASS_QUESTIONS, PATHMMU_SOURCES, PUBLISHED_SPLITS, SLAKE_LANGUAGES


@dataclass(frozen=True, kw_only=True)
class PathMMUConfig:
    """PathMMU; the values stand in `conf/dataset/pathmmu*.yaml`."""

    name: str
    kind: Literal["pathmmu"]
    root: str
    sources: tuple[str, ...]
    expected_records: int | None
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        _require_sources(self.sources, PATHMMU_SOURCES)
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])
        if self.expected_records is not None:
            require_positive(self.expected_records, "dataset.expected_records")


@dataclass(frozen=True, kw_only=True)
class OmniMedVQAConfig:
    """OmniMedVQA as published; the values stand in `conf/dataset/omnimedvqa.yaml`."""

    name: str
    kind: Literal["omnimedvqa"]
    root: str
    sources: tuple[str, ...]
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        _require_sources(self.sources, self.sources)
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])


@dataclass(frozen=True, kw_only=True)
class OmniMedVQAHardConfig:
    """OmniMedVQA's pictures asked anew; the values stand in `conf/dataset/omnimedvqa_hard.yaml`."""

    name: str
    kind: Literal["omnimedvqa_hard"]
    root: str
    sources: tuple[str, ...]
    seed: int
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        _require_sources(self.sources, tuple(CLASS_QUESTIONS))
        require_seed(self.seed, "dataset.seed")
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])


@dataclass(frozen=True, kw_only=True)
class HubTablesConfig:
    """PathVQA and VQA-RAD, whose files hold the pictures; the values stand in `conf/dataset/{pathvqa,vqa_rad}.yaml`."""

    name: str
    kind: Literal["pathvqa", "vqa_rad"]
    root: str
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])


@dataclass(frozen=True, kw_only=True)
class SlakeConfig:
    """SLAKE; the values stand in `conf/dataset/slake.yaml`."""

    name: str
    kind: Literal["slake"]
    root: str
    languages: tuple[str, ...]
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        is_valid = bool(self.languages) and set(self.languages) <= set(SLAKE_LANGUAGES)
        require(is_valid, "dataset.languages", self.languages, f"at least one of {', '.join(SLAKE_LANGUAGES)}")
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])


@dataclass(frozen=True, kw_only=True)
class ChoicesConfig:
    """PMC-VQA and MedXpertQA; the values stand in `conf/dataset/{pmc_vqa,medxpertqa_mm}.yaml`."""

    name: str
    kind: Literal["pmc_vqa", "medxpertqa_mm"]
    root: str
    splits: OfficialSplits
    split_file: str | None
    policy: Policy
    path_map: Mapping[str, str] | None
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_place(self.name, self.root, self.split_file)
        require_official(self.splits, PUBLISHED_SPLITS[self.kind])


PublishedConfig = (
    PathMMUConfig
    | OmniMedVQAConfig
    | OmniMedVQAHardConfig
    | HubTablesConfig
    | SlakeConfig
    | ChoicesConfig
    | FilesConfig
    | HubConfig
)


def _require_sources(sources: Sequence[str], known: Sequence[str]) -> None:
    is_valid = bool(sources) and len(set(sources)) == len(sources) and all(source in known for source in sources)
    require(is_valid, "dataset.sources", sources, f"at least one, none twice, of {', '.join(known) or 'the set'}")
