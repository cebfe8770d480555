"""What may be asked of finished evaluations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.rules import require, require_positive, require_seed, require_text
from pathvlm_r1.config.splits import ScoredSplit
from pathvlm_r1.config.typed import checked
from pathvlm_r1.contract import CONTRACTS

Mismatches = Literal["contract", "prompt", "picture"]


@dataclass(frozen=True, kw_only=True)
class ReportConfig:
    """Tables from finished evaluations; the values stand in `conf/report.yaml` and `conf/task/tables.yaml`."""

    task: Literal["tables"]
    runs: str
    out: str | None
    seed: int
    replicates: int

    @classmethod
    def checked(cls, composed: DictConfig) -> ReportConfig:
        """The configuration of `src/report.py`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        require_text(self.runs, "runs")
        require_seed(self.seed, "seed")
        require_positive(self.replicates, "replicates")


@dataclass(frozen=True, kw_only=True)
class CompareConfig:
    """Two runs on the same questions; the values stand in `conf/report.yaml` and `conf/task/compare.yaml`."""

    task: Literal["compare"]
    a: str
    b: str
    split: ScoredSplit
    decoding: str
    contract: str
    items: Literal["same", "common"]
    may_differ: tuple[Mismatches, ...]
    confidence: float
    power: float
    margin: float
    out: str | None
    seed: int
    replicates: int

    @classmethod
    def checked(cls, composed: DictConfig) -> CompareConfig:
        """The configuration of `src/report.py task=compare`, or a `ConfigError`."""
        return checked(cls, composed)

    def __post_init__(self) -> None:
        for key in ("a", "b", "decoding"):
            require_text(getattr(self, key), key)
        require(self.contract in CONTRACTS, "contract", self.contract, f"one of {', '.join(CONTRACTS)}")
        require(0 < self.confidence < 1, "confidence", self.confidence, "between 0 and 1, such as 0.95")
        require(0.5 <= self.power < 1, "power", self.power, "from 0.5 to below 1, such as 0.8")
        require(0 < self.margin < 1, "margin", self.margin, "between 0 and 1, a share: 0.02 is two points")
        require(self.out is None or bool(self.out.strip()), "out", self.out, "must not be empty; null writes no file")
        require_seed(self.seed, "seed")
        require_positive(self.replicates, "replicates")
