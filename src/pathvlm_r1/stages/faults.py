"""What stops a run in the middle, and what it leaves behind for inspection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor


class TrainingError(RuntimeError):
    """A run that cannot go on; the message says where to look."""


def require_finite(loss: Tensor, *, step: int, folder: Path, batch: Mapping[str, Any]) -> None:
    """Stop at a loss that is not finite, with the batch that gave it saved as JSON.

    Raises:
        TrainingError: names the step and the file.
    """
    if loss.isfinite():
        return
    path = folder / f"non_finite_step_{step}.json"
    path.write_text(json.dumps({"step": step, "loss": str(loss.item()), **batch}, indent=2) + "\n")
    raise TrainingError(
        f"the loss of optimiser step {step} is {loss.item()}: stopped before it reached the weights. "
        f"The batch is in {path}; a lower stage.learning_rate or trainer.precision=32-true are the usual cures."
    )
