"""What may be asked of maps of where a model looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.dataset import DatasetConfig
from pathvlm_r1.config.model import ModelConfig
from pathvlm_r1.config.rules import require, require_positive, require_seed, require_text
from pathvlm_r1.config.run import TrainerSettings
from pathvlm_r1.config.splits import Split
from pathvlm_r1.config.typed import checked, without

Method = Literal["rise", "attention", "rollout", "random"]


@dataclass(frozen=True, kw_only=True)
class ExplainConfig:
    """Maps with their checks; the values stand in `conf/eval.yaml` and `conf/task/explain.yaml`."""

    task: Literal["explain"]
    split: Split
    n: int
    methods: tuple[Method, ...]
    answer: str
    masks: int
    grid: int
    blur: float
    shares: tuple[float, ...]
    shifts: int
    pieces: tuple[int, ...]
    max_region: float
    overlays: int
    rows_per_batch: int
    replicates: int
    out: str
    model: ModelConfig
    dataset: DatasetConfig
    trainer: TrainerSettings
    seed: int

    @classmethod
    def checked(cls, composed: DictConfig) -> ExplainConfig:
        """The configuration of `src/eval.py task=explain`, less the keys that it does not read."""
        return checked(cls, without(composed, "reward", "judge", "rollout", "evaluation", "output"))

    def __post_init__(self) -> None:
        for key in ("n", "grid", "shifts", "rows_per_batch", "replicates"):
            require_positive(getattr(self, key), key)
        has_option = "{letter}" in self.answer or "{option}" in self.answer
        require(has_option, "answer", self.answer, "with {letter} or {option} in it, or all answers are the same")
        self._require_lists()
        require(self.masks >= 2 and self.masks % 2 == 0, "masks", self.masks, "an even number: they come in pairs")
        require(0 < self.blur <= 1, "blur", self.blur, "above 0 and at most 1, a share of the shorter side")
        require(0 < self.max_region < 1, "max_region", self.max_region, "between 0 and 1, a share of the area")
        require(self.overlays >= 0, "overlays", self.overlays, "0 or more")
        require_text(self.out, "out")
        require_seed(self.seed, "seed")

    def _require_lists(self) -> None:
        count = len(set(self.methods))
        require(count == len(self.methods) > 0, "methods", self.methods, "at least one, each one once")
        shares = all(0 < share < 1 for share in self.shares) and len(self.shares) > 0
        require(shares, "shares", self.shares, "at least one, each between 0 and 1")
        pieces = all(number >= 2 for number in self.pieces) and len(set(self.pieces)) == len(self.pieces)
        require(pieces, "pieces", self.pieces, "each at least 2, and once")
