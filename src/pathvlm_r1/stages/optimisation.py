"""Optimiser and schedules of all stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn

Schedule = Callable[[int], float]


def warmup_cosine(*, warmup_share: float, total_steps: int) -> Schedule:
    """Linear warm-up, then half a cosine to 0: the factor on the learning rate by optimiser step."""
    warmup_steps = max(1, round(warmup_share * total_steps))

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / warmup_steps
        progress = (step - warmup_steps) / max(1, total_steps - warmup_steps)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return factor


def linear_decay(*, total_steps: int) -> Schedule:
    """From 1 to 0 over all steps."""
    return lambda step: max(0.0, 1 - step / total_steps)


def adamw(module: nn.Module, *, learning_rate: float, weight_decay: float, schedule: Schedule) -> dict[str, Any]:
    """AdamW over what trains, in Lightning's form; weight decay only on matrices."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    optimizer = torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)
    return {"optimizer": optimizer, "lr_scheduler": torch.optim.lr_scheduler.LambdaLR(optimizer, schedule)}


def current_rate(module: LightningModule) -> float:
    """The rate that the next optimiser step uses."""
    return float(module.optimizers().param_groups[0]["lr"])


def apply_gradients(module: LightningModule, gradient_clip: float) -> Tensor:
    """Clip, step optimiser and schedule, clear the gradients; returns the norm before clipping."""
    optimizer, schedule = module.optimizers(), module.lr_schedulers()
    trained = [parameter for parameter in module.parameters() if parameter.grad is not None]
    norm = nn.utils.clip_grad_norm_(trained, gradient_clip)
    optimizer.step()
    schedule.step()
    optimizer.zero_grad(set_to_none=True)
    return norm
