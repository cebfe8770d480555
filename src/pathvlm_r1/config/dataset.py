"""What the datasets of this project may be asked: phantoms, and questions made from annotations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pathvlm_r1.config.mixture import MixtureConfig
from pathvlm_r1.config.published import PublishedConfig
from pathvlm_r1.config.rules import require, require_seed, require_shares, require_text
from pathvlm_r1.config.splits import SplitSizes
from pathvlm_r1.config.typed import Keys
from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.rationale import Style

StyleShares = Annotated[Mapping[str, float], Keys(lambda: [style.value for style in Style])]


@dataclass(frozen=True, kw_only=True)
class PhantomConfig:
    """Digital phantoms of one modality; the values stand in `conf/dataset/phantom*.yaml`."""

    name: str
    kind: Literal["phantom"]
    modality: str
    seed: int
    image_size: int
    splits: SplitSizes
    style_shares: StyleShares
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_text(self.name, "dataset.name")
        require(self.modality in ONTOLOGIES, "dataset.modality", self.modality, f"one of {', '.join(ONTOLOGIES)}")
        require_seed(self.seed, "dataset.seed")
        require(self.image_size >= 28, "dataset.image_size", self.image_size, "at least 28: 28 x 28 is one token")
        for split, size in self.splits.items():
            require(size >= 1, f"dataset.splits.{split}", size, "at least 1 question")
        require_shares(self.style_shares, "dataset.style_shares")


@dataclass(frozen=True, kw_only=True)
class BCCDConfig:
    """Photographs of blood smears with counts; the values stand in `conf/dataset/bccd.yaml`."""

    name: str
    kind: Literal["bccd"]
    root: str
    seed: int
    rl_share: float
    style_shares: StyleShares
    out_of_domain: tuple[str, ...]

    def __post_init__(self) -> None:
        require_text(self.name, "dataset.name")
        require_text(self.root, "dataset.root")
        require_seed(self.seed, "dataset.seed")
        require(0 < self.rl_share < 1, "dataset.rl_share", self.rl_share, "between 0 and 1: SFT and RL both need some")
        require_shares(self.style_shares, "dataset.style_shares")


DatasetConfig = PhantomConfig | BCCDConfig | MixtureConfig | PublishedConfig
