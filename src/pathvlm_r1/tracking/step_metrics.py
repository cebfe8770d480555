"""The metrics of a training step: written once, all together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor


class MeasuredModule(LightningModule):  # type: ignore[misc]
    """A module whose metrics stand at the step at which they were measured, in the one endless epoch that a run is.

    Lightning's `log_dict` takes 0.2 ms for every metric of a step, and writes its last value at all later ones too.
    """

    def __init__(self) -> None:
        super().__init__()
        self._unwritten: dict[str, float] = {}

    def log_metrics(self, metrics: Mapping[str, float | Tensor]) -> None:
        """Show metrics to callbacks now, and to the loggers with all others of the step."""
        values = {name: float(value) for name, value in metrics.items()}
        self._unwritten |= values
        exact = {name: torch.tensor(value, dtype=torch.float64) for name, value in values.items()}
        self.trainer.callback_metrics.update(exact)

    def on_train_batch_end(self, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Behind the callbacks, which measure too."""
        del outputs, batch
        every = self.trainer.log_every_n_steps
        if self._unwritten and every > 0 and ((batch_idx + 1) % every == 0 or self.trainer.should_stop):
            for logger in self.trainer.loggers:
                logger.log_metrics(self._unwritten, step=batch_idx)
            self._unwritten = {}
