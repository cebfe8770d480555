"""Several processes: how many train together, what they must divide, and how those that are launched find the run."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.utilities.exceptions import MisconfigurationException

from pathvlm_r1.config import ConfigError, GRPOConfig, PretrainConfig, RolloutConfig, SFTConfig, StageConfig
from pathvlm_r1.tracking import RunFolder

RUN_FOLDER = "PATHVLM_RUN_FOLDER"  # environment variable in which the first process hands on its run's folder


@dataclass(frozen=True)
class Processes:
    """How many processes train together, and which of them this is."""

    count: int = 1
    rank: int = 0
    device: str = "cpu"  # its type

    @property
    def is_first(self) -> bool:
        """The one that writes."""
        return self.rank == 0


def processes_of(trainer: Mapping[str, Any]) -> Processes:
    """The processes that Lightning makes of `trainer.*` on this machine; nothing is launched.

    Raises:
        ConfigError: Lightning refuses the keys, or the machine lacks such devices.
    """
    silent = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
    try:
        probe = Trainer(**{**trainer, **silent, "enable_model_summary": False})
    except (MisconfigurationException, ValueError, RuntimeError) as error:
        raise ConfigError(f"trainer: {error}") from error
    return Processes(probe.world_size, probe.global_rank, probe.strategy.root_device.type)


def refuse_undivided(stage: StageConfig, count: int) -> None:
    """Refuse what `count` processes cannot share equally.

    Raises:
        ConfigError: the key, its value, and numbers that can be divided.
    """
    if count == 1:
        return
    if isinstance(stage, PretrainConfig):
        raise ConfigError(f"stage=pretrain: trains in one process, trainer.* asks for {count}; leave trainer.devices=1")
    if isinstance(stage, SFTConfig):
        _require_shares("stage.rows_per_step", stage.rows_per_step, count)
        return
    _require_shares("stage.prompts_per_step", stage.prompts_per_step, count)
    rows = stage.prompts_per_step // count * stage.group_size
    if rows % stage.minibatches:
        raise ConfigError(
            f"stage.minibatches={stage.minibatches}: must divide stage.prompts_per_step * stage.group_size / {count} "
            f"processes = {rows}, the completions that each of them samples"
        )


def refuse_missing_gpu(stage: StageConfig, device: str) -> None:
    """Refuse what only a GPU can do where another device trains.

    Raises:
        ConfigError: the key, and what to leave it at.
    """
    if isinstance(stage, GRPOConfig) and stage.packed_attention == "flex" and device != "cuda":
        raise ConfigError(
            f"stage.packed_attention=flex: FlexAttention trains on a GPU alone, trainer.* takes the {device}; leave it "
            "at mask, or take trainer=gpu"
        )


def refuse_shared_server(rollout: RolloutConfig, count: int) -> None:
    """Refuse several trainers of one server: each would load its weights there while another samples.

    Raises:
        ConfigError: the engine, and what can be done.
    """
    if count > 1 and rollout.name == "vllm":
        raise ConfigError(
            f"rollout=vllm: its server follows one process, trainer.* asks for {count}; leave trainer.devices=1 and "
            "trainer.num_nodes=1, or take rollout=native"
        )


def _require_shares(key: str, batch: int, count: int) -> None:
    if batch % count:
        lower, higher = batch // count * count, (batch // count + 1) * count
        near = f"{lower} or {higher}" if lower else str(higher)
        raise ConfigError(f"{key}={batch}: {count} processes must share it equally, as they do {near}")


@contextmanager
def handed_on(folder: RunFolder) -> Iterator[None]:
    """Let the processes that Lightning launches in this block, which inherit the environment, find the run's folder."""
    os.environ[RUN_FOLDER] = str(folder.path.resolve())
    try:
        yield
    finally:
        del os.environ[RUN_FOLDER]


class StopTogether(Callback):  # type: ignore[misc]
    """Ends training after the same step in all processes, once one of them is asked to.

    Args:
        is_requested: whether this process is.
    """

    def __init__(self, is_requested: Callable[[], bool]) -> None:
        self.is_requested = is_requested
        self.has_stopped = False

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        del pl_module, batch
        if trainer.strategy.reduce_boolean_decision(self.is_requested(), all=False):
            self.has_stopped = trainer.should_stop = True
