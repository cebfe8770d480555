"""What several processes of one step have to do together."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from torch import Tensor


def reduced(model: Any, *, is_last: bool) -> AbstractContextManager[None]:
    """Gradients are averaged over processes at a step's last pass alone: passes may differ in number.

    Args:
        model: as the trainer's strategy holds it.
        is_last: pass of the step.
    """
    if is_last or not hasattr(model, "no_sync"):
        return nullcontext()
    found: AbstractContextManager[None] = model.no_sync()
    return found


def gathered(values: Tensor, all_gather: Callable[[Tensor], Tensor]) -> Tensor:
    """[T] values of all processes, of which each may have another number; none of them is NaN.

    Args:
        values: [t] of this process, on its device.
        all_gather: puts the equally long tensors of all processes together.
    """
    most = int(all_gather(torch.tensor(len(values), device=values.device)).max())
    filled = values.new_full((most,), torch.nan)
    filled[: len(values)] = values
    everyone = all_gather(filled).flatten()
    return everyone[~everyone.isnan()]
