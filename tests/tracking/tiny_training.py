"""A LightningModule of one linear layer whose data follows from the optimiser step, and a trainer without extras."""

from __future__ import annotations

import csv

import pytest
import torch
from pytorch_lightning import Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch.utils.data import DataLoader

from pathvlm_r1.tracking import AtomicCheckpointIO, MeasuredModule

LIGHTNING_WARNINGS = [
    pytest.mark.filterwarnings(r"ignore:.*isinstance\(treespec, LeafSpec\):FutureWarning"),  # its use of torch 2.13
]


class ResumableLoader(DataLoader):
    """Goes on behind the batches that it has given."""

    def __init__(self, batches):
        super().__init__(range(batches), batch_size=None)
        self.given = 0

    def __iter__(self):
        for index in range(self.given, len(self)):
            self.given = index + 1
            yield torch.tensor(index)
        self.given = 0

    def state_dict(self):
        return {"given": self.given}

    def load_state_dict(self, state):
        self.given = state["given"]


class CountingModule(MeasuredModule):
    """Manual optimisation, several steps per batch; `seen` has the batches, `on_step` is called in each."""

    def __init__(self, *, batches, steps_per_batch=1, on_step=None):
        super().__init__()
        self.automatic_optimization = False
        self.layer = torch.nn.Linear(2, 1)
        torch.nn.init.zeros_(self.layer.weight)
        torch.nn.init.zeros_(self.layer.bias)
        self.batches = batches
        self.steps_per_batch = steps_per_batch
        self.on_step = on_step
        self.seen = []
        self.extra = {}

    def training_step(self, index):
        self.seen.append(int(index))
        for _ in range(self.steps_per_batch):
            x = torch.tensor([float(index) / 10, 1.0])
            loss = (self.layer(x) - 1).square().mean()
            self.optimizers().zero_grad()
            self.manual_backward(loss)
            self.optimizers().step()
        self.log_metrics({"tiny/loss": loss.detach(), **self.extra})
        if self.on_step is not None:
            self.on_step(self)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)

    def train_dataloader(self):
        return ResumableLoader(self.batches)


def measured_at(*batches):
    """A module that measures something at these batches alone."""

    def extra(module):
        module.log_metrics({"tiny/extra": float(module.seen[-1])} if module.seen[-1] in batches else {})

    return CountingModule(batches=6, on_step=extra)


def read_metrics(folder):
    with (folder / "metrics.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def trainer_with(folder, *, enable_progress_bar=False, logger=False, log_every_n_steps=1, **settings):
    defaults = {
        "accelerator": "cpu", "devices": 1, "logger": logger, "enable_progress_bar": enable_progress_bar,
        "enable_model_summary": False, "max_epochs": -1, "log_every_n_steps": log_every_n_steps,
        "default_root_dir": folder, "plugins": [AtomicCheckpointIO()],
    }  # fmt: skip
    has_checkpoints = any(isinstance(callback, Checkpoint) for callback in settings.get("callbacks", []))
    return Trainer(**defaults, **settings, enable_checkpointing=has_checkpoints)
