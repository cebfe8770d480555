"""Validation by real generation, and the choice of the best weights by it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from safetensors.torch import load_file, save_file

from pathvlm_r1.model import Policy
from pathvlm_r1.tracking import MeasuredModule, write_atomically

Metrics = dict[str, float]
Validate = Callable[[Policy], Metrics]


class BestByValidation(Callback):  # type: ignore[misc]
    """Generates on validation every so many optimiser steps and keeps the trained weights that scored best.

    Ties go to the earlier step. The record of all validations is part of the checkpoint.

    Args:
        validate: what the policy answers, in mean figures.
        score: of those figures, the larger the better.
        every: optimiser steps between validations.
        last_step: of the run, after which there is one in any case.
        path: of the best weights.
    """

    def __init__(self, validate: Validate, *, score: Callable[[Metrics], float], every: int, last_step: int,
                 path: Path) -> None:  # fmt: skip
        self.validate = validate
        self.score = score
        self.every = every
        self.last_step = last_step
        self.path = path
        self.history: list[Metrics] = []

    @property
    def best(self) -> Metrics:
        """The validation that was best so far."""
        return max(self.history, key=self.score)

    @property
    def final(self) -> Metrics:
        """The metrics of the weights that the run hands over: the best ones."""
        return {name: value for name, value in self.best.items() if name != "step"}

    def on_train_batch_end(self, trainer: Trainer, pl_module: MeasuredModule, *batch: Any) -> None:
        del batch
        step = trainer.global_step
        if not self._is_due(step):
            return
        metrics = _logged(self.validate, pl_module)
        self.history.append({"step": float(step), **metrics})
        if self.best["step"] == step and trainer.is_global_zero:
            weights = trained_weights(pl_module.policy)
            write_atomically(self.path, lambda partial: save_file(weights, partial))

    def _is_due(self, step: int) -> bool:
        """A batch may be several optimiser steps: a validation stands behind the one that completes `every`."""
        last = int(self.history[-1]["step"]) if self.history else 0
        return step > last and (step // self.every > last // self.every or step >= self.last_step)

    def restore_best(self, policy: Policy) -> None:
        """Put the best weights back into the policy."""
        policy.load_state_dict(load_file(self.path), strict=False)

    def state_dict(self) -> dict[str, Any]:
        return {"history": self.history}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.history = state_dict["history"]


def _logged(validate: Validate, module: MeasuredModule) -> Metrics:
    metrics = validate(module.policy)
    module.log_metrics({f"validation/{name}": value for name, value in metrics.items()})
    return metrics


def trained_weights(policy: Policy) -> dict[str, torch.Tensor]:
    """What trains, by name."""
    return {
        name: parameter.detach().clone() for name, parameter in policy.named_parameters() if parameter.requires_grad
    }
