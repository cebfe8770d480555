"""The choice of the weights that a run hands over: when it validates, and which validation wins."""

from functools import partial
from operator import itemgetter
from types import SimpleNamespace

import pytest
import torch
from pytorch_lightning import Trainer
from tiny import LIGHTNING_WARNINGS
from torch import nn
from torch.utils.data import DataLoader

from pathvlm_r1.assembly.training import _reward_of, counted_means
from pathvlm_r1.reward import By, Clip, Gate, Normalisation, Over, Shape, WeightedTerm
from pathvlm_r1.stages import BestByValidation
from pathvlm_r1.tracking import MeasuredModule

pytestmark = LIGHTNING_WARNINGS


class Counting(MeasuredModule):
    """Its one weight is the number of optimiser steps taken; a batch is several of them."""

    def __init__(self, steps_per_batch):
        super().__init__()
        self.automatic_optimization = False
        self.steps_per_batch = steps_per_batch
        self.policy = nn.Linear(1, 1, bias=False)
        nn.init.zeros_(self.policy.weight)

    def training_step(self, _batch, _index):
        for _ in range(self.steps_per_batch):
            self.policy.weight.grad = -torch.ones(1, 1)
            self.optimizers().step()

    def configure_optimizers(self):
        return torch.optim.SGD(self.policy.parameters(), lr=1.0)


def validated(tmp_path, scores, *, every, steps, steps_per_batch=1, score=itemgetter("accuracy")):
    """The callback after so many steps, and the policy with the best weights; `scores` by the weight that is scored."""
    best = BestByValidation(
        lambda policy: scores[round(policy.weight.item())], score=score, every=every, last_step=steps,
        path=tmp_path / "best.safetensors",
    )  # fmt: skip
    module = Counting(steps_per_batch)
    trainer = Trainer(
        accelerator="cpu", devices=1, logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, max_steps=steps, max_epochs=-1, callbacks=[best],
    )  # fmt: skip
    trainer.fit(module, DataLoader(list(range(steps))))
    best.restore_best(module.policy)
    return best, module.policy.weight.item()


def by_accuracy(**accuracies):
    return {int(step[1:]): {"accuracy": value} for step, value in accuracies.items()}


def test_the_earliest_of_the_best_validations_is_handed_over(tmp_path):
    best, weight = validated(tmp_path, by_accuracy(_2=0.5, _4=0.75, _6=0.75, _7=0.5), every=2, steps=7)
    assert [metrics["step"] for metrics in best.history] == [2, 4, 6, 7]
    assert (best.best["step"], best.final, weight) == (4, {"accuracy": 0.75}, 4)


def test_where_a_batch_is_several_steps_every_stretch_still_has_its_validation(tmp_path):
    best, weight = validated(tmp_path, by_accuracy(_6=0.1, _9=0.2, _12=0.3), every=4, steps=12, steps_per_batch=3)
    assert [metrics["step"] for metrics in best.history] == [6, 9, 12]
    assert weight == 12


def test_rl_is_chosen_by_its_own_reward_and_not_by_accuracy_alone(tmp_path):
    scores = {
        1: {"accuracy": 0.8, "format": 1.0, "process": 0.4, "completion_tokens": 90.0},
        2: {"accuracy": 0.7, "format": 1.0, "process": 0.6, "completion_tokens": 10.0},
    }
    weights = {"accuracy": 1.0, "format": 1.0, "process": 1.0, "overlong": 1.0}
    _, weight = validated(tmp_path, scores, every=1, steps=2, score=partial(_reward_of, weights))
    assert weight == 2
    _, weight = validated(tmp_path, scores, every=1, steps=2, score=partial(_reward_of, weights | {"process": 0.1}))
    assert weight == 1


def test_a_validation_that_a_checkpoint_knows_is_not_repeated():
    best = BestByValidation({}.__getitem__, score=itemgetter("accuracy"), every=2, last_step=4, path=None)
    best.load_state_dict({"history": [{"step": 2.0, "accuracy": 0.5}]})
    assert [best._is_due(step) for step in (1, 2, 3, 4)] == [False, False, False, True]


def test_validation_has_what_counts_of_each_term_that_it_has_no_figure_of():
    def named(name, **shape):
        return WeightedTerm(SimpleNamespace(name=name), 1.0, Shape(**shape))

    terms = [named("accuracy"), named("process", gate=Gate("accuracy", 1.0)), named("length", clip=Clip(-0.5, 0.0)),
             named("own", normalisation=Normalisation(By.Z_SCORE, Over.GROUP)), named("silent")]  # fmt: skip
    scores = [
        {"accuracy": 1.0, "process": 0.8, "length": -1.0, "own": 3.0, "silent": None},
        {"accuracy": 0.0, "process": 0.6, "length": 0.0, "own": None, "silent": None},
    ]
    means = counted_means(scores, terms)
    assert means == pytest.approx({"reward/process": 0.4, "reward/length": -0.25, "reward/own": 3.0})
    weights = {"accuracy": 1.0, "process": 2.0, "length": 1.0, "silent": 5.0}
    metrics = {"accuracy": 0.5, "format": 1.0, "process": 0.7, **means}
    assert _reward_of(weights, metrics) == pytest.approx(0.5 + 2 * 0.4 - 0.25)
