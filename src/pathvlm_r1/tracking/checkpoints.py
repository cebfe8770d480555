"""The full training state on disk: whole or not there, and read without executing anything in it."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from pytorch_lightning.plugins.io import TorchCheckpointIO

from pathvlm_r1.tracking.files import TrackingError, write_atomically

LAST = "last.ckpt"


class AtomicCheckpointIO(TorchCheckpointIO):  # type: ignore[misc]
    """Lightning's checkpoint files, written atomically and read as tensors and plain values only."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None) -> None:
        """Write a checkpoint.

        Raises:
            TrackingError: it cannot be written; an older one of that name is unchanged.
            TypeError: `storage_options` are given; a local file has none.
        """
        if storage_options is not None:
            raise TypeError("AtomicCheckpointIO writes local files: storage_options must be None")
        write_atomically(Path(path), lambda partial: _save(checkpoint, partial))

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Callable[[Any, str], Any] | torch.device | str | None = "cpu",
        weights_only: bool | None = None,  # noqa: FBT001  Lightning's signature
    ) -> dict[str, Any]:
        """Read a checkpoint; whatever `weights_only` asks for, no object of a class is ever rebuilt from it.

        Raises:
            TrackingError: there is no such file, it is broken, or it holds more than tensors and plain values.
        """
        del weights_only
        if not Path(path).is_file():
            raise TrackingError(f"{path} does not exist: resume= takes the folder of a run that has {LAST}")
        if not zipfile.is_zipfile(path):  # torch's own form; a bare pickle is not even looked at
            raise _unreadable(path)
        try:
            checkpoint: dict[str, Any] = torch.load(path, map_location=map_location, weights_only=True)
        except (pickle.UnpicklingError, RuntimeError) as error:
            raise _unreadable(path) from error
        return checkpoint


class LastCheckpoint(Checkpoint):  # type: ignore[misc]
    """Keeps `last.ckpt`: written every so many optimiser steps, when training is told to stop, and at its end.

    Args:
        folder: of the file.
        every_steps: optimiser steps.
        saved_before: errors after which the run can go on where it was, if they come before a batch's first optimiser
            step: what comes later in a batch, its validation say, would be missing. Of one process alone, since the
            others know nothing of them.
    """

    def __init__(self, folder: Path, every_steps: int, *, saved_before: tuple[type[Exception], ...] = ()) -> None:
        super().__init__()
        if every_steps < 1:
            raise ValueError(f"every_steps is {every_steps}: it counts optimiser steps, at least 1")
        self.path = folder / LAST
        self.every_steps, self.saved_before = every_steps, saved_before
        self._saved_step = self._batch_step = -1

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        self._saved_step = trainer.global_step  # a resumed run has this state on disk

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        del pl_module, batch
        self._batch_step = trainer.global_step

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """Save if the batch, which may be several optimiser steps, has crossed a multiple of `every_steps`."""
        del pl_module, batch
        is_due = trainer.global_step // self.every_steps > self._saved_step // self.every_steps
        # Here and not at the end of training: there Lightning counts the epoch as over, and who resumes is one ahead.
        if is_due or trainer.should_stop:
            self._save(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        self._save(trainer)

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        del pl_module
        is_between_steps = trainer.global_step == self._batch_step
        if isinstance(exception, self.saved_before) and is_between_steps and trainer.world_size == 1:
            self._save(trainer)

    def _save(self, trainer: Trainer) -> None:
        if trainer.global_step == self._saved_step:
            return
        trainer.save_checkpoint(self.path)
        self._saved_step = trainer.global_step


def _unreadable(path: str | Path) -> TrackingError:
    return TrackingError(
        f"{path} was not read: it is broken, or holds more than tensors and plain values, which may run foreign code. "
        "Resume only from a checkpoint that this package wrote, or start again without resume=."
    )


def _save(checkpoint: dict[str, Any], path: Path) -> None:
    with path.open("wb") as file:  # through Python's file, so that a full disk is an OSError
        torch.save(checkpoint, file)
