"""Validation by real generation: during SFT, with the choice of the best weights by it, and at the end of GRPO."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from safetensors.torch import load_file, save_file

from pathvlm_r1.model import Policy
from pathvlm_r1.tracking import write_atomically

Validate = Callable[[Policy], dict[str, float]]  # metrics, "accuracy" among them


class BestByValidation(Callback):  # type: ignore[misc]
    """Generates on validation every so many optimiser steps and keeps the trained weights that answered best.

    Ties go to the earlier step. The record of all validations is part of the checkpoint.
    """

    def __init__(self, validate: Validate, *, every: int, last_step: int, path: Path) -> None:
        self.validate = validate
        self.every = every
        self.last_step = last_step
        self.path = path
        self.history: list[dict[str, float]] = []

    @property
    def best(self) -> dict[str, float]:
        """The validation that was best so far."""
        return max(self.history, key=lambda metrics: metrics["accuracy"])

    @property
    def final(self) -> dict[str, float]:
        """The metrics of the weights that the run hands over: the best ones."""
        return {name: value for name, value in self.best.items() if name != "step"}

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        del batch
        step = trainer.global_step
        seen = {metrics["step"] for metrics in self.history}
        if step in seen or (step % self.every and step != self.last_step):
            return
        metrics = _logged(self.validate, pl_module)
        self.history.append({"step": float(step), **metrics})
        if self.best["step"] == step and trainer.is_global_zero:
            weights = trained_weights(pl_module.policy)
            write_atomically(self.path, lambda partial: save_file(weights, partial))

    def restore_best(self, policy: Policy) -> None:
        """Put the best weights back into the policy."""
        policy.load_state_dict(load_file(self.path), strict=False)

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]


class ValidationAtEnd(Callback):  # type: ignore[misc]
    """Generates on validation once, after the last optimiser step; a run that ends before has no such figures."""

    def __init__(self, validate: Validate, *, last_step: int) -> None:
        self.validate = validate
        self.last_step = last_step
        self.final: dict[str, float] = {}  # the metrics of the weights that the run hands over

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        """Here and not when training has ended: then Lightning takes no metrics, and the weights leave the device."""
        del batch
        if trainer.global_step >= self.last_step:
            self.final = _logged(self.validate, pl_module)

    def state_dict(self) -> dict[str, Any]:
        return {"final": self.final}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.final = state_dict["final"]


def _logged(validate: Validate, module: LightningModule) -> dict[str, float]:
    metrics = validate(module.policy)
    module.log_dict({f"validation/{name}": value for name, value in metrics.items()}, batch_size=1)
    return metrics


def trained_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """What trains, by name."""
    return {
        name: parameter.detach().clone() for name, parameter in policy.named_parameters() if parameter.requires_grad
    }
