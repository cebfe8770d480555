"""From a configuration to the engine that samples."""

from __future__ import annotations

from collections.abc import Sequence

from pathvlm_r1.config import RolloutConfig
from pathvlm_r1.rollout import Engine, HFEngine, NativeEngine


def engine_of(config: RolloutConfig, end_ids: Sequence[int]) -> Engine:
    """The engine of `rollout=…`; a completion stops at the first of `end_ids`."""
    made = NativeEngine if config.name == "native" else HFEngine
    return made(end_ids=end_ids, rows_per_batch=config.rows_per_batch)
