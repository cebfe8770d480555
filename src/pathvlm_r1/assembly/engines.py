"""From a configuration to the engine that samples."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from pathvlm_r1.config import RolloutConfig, VLLMRolloutConfig
from pathvlm_r1.rollout import (
    AdapterSync,
    Engine,
    HFEngine,
    NativeEngine,
    ReloadSync,
    ServedAlready,
    VLLMEngine,
    VLLMServer,
    WeightSync,
)


def engine_of(config: RolloutConfig, end_ids: Sequence[int]) -> Engine:
    """The engine of `rollout=…`; a completion stops at the first of `end_ids`."""
    if isinstance(config, VLLMRolloutConfig):
        server = VLLMServer(config.url, timeout_seconds=config.timeout_seconds, attempts=config.attempts)
        return VLLMEngine(
            server, _sync(config, server), end_ids=end_ids, rows_per_batch=config.rows_per_batch,
            max_mismatch=config.max_mismatch,
        )  # fmt: skip
    made = NativeEngine if config.name == "native" else HFEngine
    return made(end_ids=end_ids, rows_per_batch=config.rows_per_batch)


def _sync(config: VLLMRolloutConfig, server: VLLMServer) -> WeightSync:
    if config.weight_sync == "none":
        return ServedAlready(config.model)
    made = ReloadSync if config.weight_sync == "reload" else AdapterSync
    return made(server, model=config.model, folder=Path(config.sync_folder).expanduser().resolve())
