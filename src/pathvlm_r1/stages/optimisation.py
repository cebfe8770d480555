"""Optimiser and schedules of all stages."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR

from pathvlm_r1.stages.faults import TrainingError

Schedule = Callable[[int], float]
Optimizers = Callable[..., list[Optimizer]]  # of a module, by learning rate and weight decay

_EMBEDDINGS = "embed_tokens"  # a table of vectors, though it is stored as a matrix


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


def inverse_decay(*, full_steps: int) -> Schedule:
    """The factor of the peak rate: 1 for `full_steps` steps, then falling as one over the steps done."""
    return lambda step: min(1.0, full_steps / max(1, step))


def adamw(module: nn.Module, *, learning_rate: float, weight_decay: float) -> list[Optimizer]:
    """AdamW over what trains; weight decay only on matrices."""
    trained = [parameter for parameter in module.parameters() if parameter.requires_grad]
    groups = [
        {"params": [p for p in trained if p.ndim >= 2], "weight_decay": weight_decay},
        {"params": [p for p in trained if p.ndim < 2], "weight_decay": 0.0},
    ]
    return [torch.optim.AdamW([group for group in groups if group["params"]], lr=learning_rate)]


def muon_and_adamw(module: nn.Module, *, learning_rate: float, weight_decay: float) -> list[Optimizer]:
    """Muon for the matrices, AdamW for embeddings, biases and norms: half the steps of AdamW for a model made anew.

    Source: Jordan et al. 2024, https://kellerjordan.github.io/posts/muon; updates scaled as Liu et al. 2025,
    arXiv:2502.16982, with four times AdamW's rate.
    """
    matrices: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in module.named_parameters():
        if parameter.requires_grad:
            (matrices if parameter.ndim == 2 and _EMBEDDINGS not in name else rest).append(parameter)
    return [
        torch.optim.Muon(matrices, lr=4 * learning_rate, weight_decay=weight_decay, adjust_lr_fn="match_rms_adamw"),
        torch.optim.AdamW(rest, lr=learning_rate, weight_decay=0.0),
    ]


def scheduled(optimizers: list[Optimizer], schedule: Schedule) -> tuple[list[Optimizer], list[LambdaLR]]:
    """Optimisers whose rates follow one schedule, in Lightning's form."""
    return optimizers, [LambdaLR(optimizer, schedule) for optimizer in optimizers]


def current_rate(module: LightningModule) -> float:
    """The rate that the next optimiser step uses; of the first optimiser where there are two."""
    return float(_as_list(module.optimizers())[0].param_groups[0]["lr"])


def apply_gradients(module: LightningModule, gradient_clip: float) -> Tensor:
    """Clip, step optimisers and schedules, clear the gradients; returns the norm before clipping.

    Raises:
        TrainingError: the norm is not finite, though the loss was.
    """
    first, *others = _as_list(module.optimizers())
    trained = [parameter for parameter in module.parameters() if parameter.grad is not None]
    norm = nn.utils.clip_grad_norm_(trained, gradient_clip)
    if not norm.isfinite():
        raise TrainingError(
            f"the gradient of optimiser step {module.global_step} has norm {norm.item()}, with a finite loss: stopped "
            "before it reached the weights; a lower stage.learning_rate or trainer.precision=32-true may cure it."
        )
    first.step()
    for other in others:
        other.optimizer.step()  # not through Lightning, which would count a second optimiser step
    for schedule in _as_list(module.lr_schedulers()):
        schedule.step()
    module.zero_grad(set_to_none=True)
    return norm


def _as_list(one_or_more: Any) -> list[Any]:
    return one_or_more if isinstance(one_or_more, list) else [one_or_more]
