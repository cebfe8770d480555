"""What stops a run in the middle, and what it leaves behind for inspection."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

# In nats, between the log-probs of sampling and training: in float32 rounding is some 1e-6 and the largest must stay
# below the limit; in reduced precision a single token may be off by tenths, and the mean must.
MISMATCH_LIMIT = 1e-3
MEAN_MISMATCH_LIMIT = 0.05
FULL_PRECISIONS = ("32-true", "64-true")


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


def require_own_sampler(difference: Tensor, *, precision: str) -> None:
    """Stop before the first update where the sampler's log-probs are not the trainer's own.

    Args:
        difference: [T] absolute, in nats.
        precision: Lightning's name of it.

    Raises:
        TrainingError: they differ by more than rounding: other weights, or settings that only one side knows.
    """
    is_full = precision in FULL_PRECISIONS
    mismatch = float(difference.max() if is_full else difference.mean())
    limit = MISMATCH_LIMIT if is_full else MEAN_MISMATCH_LIMIT
    if mismatch > limit:
        raise TrainingError(
            f"sampling and training log-probs differ by {mismatch:.3g} nats before the first update (rounding is below "
            f"{limit}): the sampler does not sample from the policy that is trained."
        )
