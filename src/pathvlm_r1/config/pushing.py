"""What may be asked of an export: to be handed to the hub."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from omegaconf import DictConfig

from pathvlm_r1.config.model import EMBEDDED, RANDOM_6M, ModelConfig
from pathvlm_r1.config.rules import require
from pathvlm_r1.config.typed import checked, without

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_UNREAD = (
    "dataset", "trainer", "reward", "judge", "rollout", "evaluation", "seed", "output",
    "target", "split", "n", "policy", "out",  # of data
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class PushConfig:
    """An export for the hub; the values stand in `conf/eval.yaml` and `conf/task/export.yaml`."""

    task: Literal["export"]
    hub_id: str
    private: bool
    model: ModelConfig

    @classmethod
    def checked(cls, composed: DictConfig) -> PushConfig:
        """The configuration of `src/eval.py task=export`, less the keys that it does not read."""
        return checked(cls, without(composed, *_UNREAD))

    def __post_init__(self) -> None:
        require(bool(_HUB_ID.fullmatch(self.hub_id)), "hub_id", self.hub_id, "owner/name, of letters, digits, -, _, .")
        checkpoint, rule = self.model.checkpoint, "the folder of an export: outputs/<run>/export"
        require(checkpoint not in (EMBEDDED, RANDOM_6M), "model.checkpoint", checkpoint, rule)
