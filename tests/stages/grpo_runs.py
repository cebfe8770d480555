"""Runs of the GRPO stage on a tiny policy, with Lightning's own trainer, that keep what they went through."""

from dataclasses import replace
from functools import partial

import torch
from pytorch_lightning import Trainer
from tiny import gradients, samples, tiny_encoder

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.grpo import Objective, clipped, group_relative_advantages, row_mean, token_ratio
from pathvlm_r1.model import SampleEncoder, reference_of
from pathvlm_r1.reward import RewardTable
from pathvlm_r1.rollout import Decoding, NativeEngine
from pathvlm_r1.stages import Collector, GRPOModule, GRPOSettings, TokenBudget, linear_decay

SETTINGS = GRPOSettings(
    minibatches=1, num_iterations=1, beta=0.04, kl_in="loss", top_entropy=1.0, reference_every=0, stop_at=2,
    learning_rate=1e-2, schedule=linear_decay(total_steps=100), weight_decay=0.0, gradient_clip=1e9,
    shuffle_rewards=False, filter_truncated=False,
)  # fmt: skip
PRECISIONS = {torch.float32: "32-true", torch.float64: "64-true", torch.bfloat16: "bf16-true"}
OBJECTIVE = Objective(token_ratio, partial(clipped, epsilon_low=0.2, epsilon_high=0.2), row_mean)


def share_of_even_characters(groups):
    """A simple reward that differs within groups."""
    return table([[sum(ord(c) % 2 == 0 for c in c_.text) / max(1, len(c_.text)) for c_ in group] for group in groups])


def equal_rewards(groups):
    return table([[0.7] * len(group) for group in groups])


def table(rows):
    total = torch.tensor(rows, dtype=torch.float64)
    return RewardTable({"simple": total}, {}, total, torch.ones_like(total, dtype=torch.bool))


class Record:
    """What a run went through: gradients at every optimiser step, metrics after every rollout."""

    def __init__(self, module, trainer):
        self.module, self.trainer = module, trainer
        self.gradients, self.results = [], []
        self.metrics = {}


def fitted(folder, policy, *, reward=share_of_even_characters, objective=OBJECTIVE, batch=2, max_steps=None,
           reference="own", on_rollout=None, is_recorded=True, tokens=10_000, resample_rounds=0, engine=NativeEngine,
           collector=Collector, callbacks=(), **changes):  # fmt: skip
    """A run with Lightning's own trainer; ends after `max_steps` optimiser steps, by default after the first."""
    settings = replace(SETTINGS, **{"stop_at": max_steps or 1, **changes})
    module = GRPOModule(
        policy=policy, reference=reference_of(policy) if reference == "own" else reference,
        collector=collector(
            encoder=SampleEncoder(tiny_encoder(), Contract()), reward=reward,
            engine=engine(end_ids=tiny_encoder().end_ids, rows_per_batch=64),
            decoding=Decoding(8, policy.temperature), group_size=3, resample_rounds=resample_rounds,
        ),
        total=lambda rewards: rewards.total, advantages=group_relative_advantages, objective=objective,
        budget=TokenBudget(tokens), settings=settings, seed=0, folder=folder,
        on_rollout=on_rollout or (lambda *_: None),
    )  # fmt: skip
    precision = PRECISIONS[next(policy.parameters()).dtype]
    trainer = Trainer(
        accelerator="cpu", devices=1, precision=precision, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, max_steps=settings.stop_at, max_epochs=-1,
        default_root_dir=folder, callbacks=list(callbacks),
    )  # fmt: skip
    record = Record(module, trainer)
    original = module.update

    def update(minibatch, *, is_on_policy):
        result = original(minibatch, is_on_policy=is_on_policy)
        record.results.append(result)
        return result

    if is_recorded:
        module.update = update
        module.on_before_optimizer_step = lambda _optimizer: record.gradients.append(gradients(policy))
    trainer.fit(module, datamodule=ItemStream.shuffled(samples(12), batch_size=batch, seed=0))
    record.metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
    return record
