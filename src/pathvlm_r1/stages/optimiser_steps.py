"""How many optimiser steps a run has taken, for what depends on them and is no part of its stage."""

from __future__ import annotations

from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from pathvlm_r1.reward import RewardTable


class OptimiserSteps(Callback):  # type: ignore[misc]
    """Holds the number from the beginning of each rollout; a resumed run reads its own from Lightning's checkpoint."""

    def __init__(self) -> None:
        self.taken = 0

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        del pl_module, batch
        self.taken = trainer.global_step

    def weigh(self, rewards: RewardTable) -> RewardTable:
        """Rewards with the weights of the step that is under way, whenever they were judged."""
        return rewards.at(self.taken)
