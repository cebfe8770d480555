"""What happens between a gradient and the weights."""

import pytest
import torch
from pytorch_lightning import LightningModule, Trainer
from tiny_training import LIGHTNING_WARNINGS
from torch.utils.data import DataLoader

from pathvlm_r1.stages import TrainingError
from pathvlm_r1.stages.optimisation import adamw, apply_gradients, scheduled

pytestmark = LIGHTNING_WARNINGS


class RootOfZero(LightningModule):
    """The square root of the weights' distance from 0, which they have: the loss is finite, its gradient is not."""

    def __init__(self):
        super().__init__()
        self.automatic_optimization = False
        self.weights = torch.nn.Parameter(torch.zeros(3))

    def training_step(self, _):
        self.manual_backward((self.weights**2).sum().sqrt() * 0)
        apply_gradients(self, 1.0)

    def configure_optimizers(self):
        return scheduled(adamw(self, learning_rate=1e-3, weight_decay=0.0), lambda _: 1.0)


def test_a_gradient_that_is_not_finite_never_reaches_the_weights(tmp_path):
    module = RootOfZero()
    trainer = Trainer(accelerator="cpu", max_steps=1, logger=False, enable_checkpointing=False,
                      enable_progress_bar=False, enable_model_summary=False, default_root_dir=tmp_path)  # fmt: skip
    with pytest.raises(TrainingError, match="gradient of optimiser step 0 has norm nan, with a finite loss"):
        trainer.fit(module, DataLoader([0]))
    assert torch.equal(module.weights.detach(), torch.zeros(3))
