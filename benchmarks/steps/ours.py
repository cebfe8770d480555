"""Our side: the project's own GRPO step under Lightning's Trainer."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pytorch_lightning import Callback, LightningModule, Trainer
from torch import nn

from pathvlm_r1.assembly.training import Training, build_training
from pathvlm_r1.data import Sample
from pathvlm_r1.grpo import objective
from pathvlm_r1.model import EncodedPrompt, Policy, PromptGroup, products, reference_of, token_log_probs
from pathvlm_r1.reward import Completion, Missing, Score, WeightedTerm, total_reward
from pathvlm_r1.rollout import Decoding, NativeEngine, SampledCompletion
from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.stages import grpo as stage
from pathvlm_r1.tracking import RunFolder
from steps.cells import PROMPTS, Cell, configuration, encoder_of, samples
from steps.children import COUNT, DIAGNOSTICS, Clock, Gate
from steps.machine import counted_flops

# On what trains, where gradients are compared: an adapter begins at 0, and with it the divergence. Both give the nano
# model a divergence of some 0.04; far beyond it one side bounds the exponent and the other does not.
ADAPTER_NOISE, NOISE = 0.03, 0.01
DESCRIBING = {
    stage: ("describe_step", "describe_entropy"),
    objective: ("_described",),
}
UNCLIPPED = 1e9  # norm of a gradient


@dataclass(frozen=True)
class Variety:
    """A reward in which completions differ, whatever they say."""

    name: str = "variety"

    def __call__(self, completion: Completion) -> Score:
        """A whole number, which float32 holds as it is."""
        return Score(variety(completion.text), "different characters")


def variety(text: str) -> float:
    """How many different characters there are."""
    return float(len(set(text)))


def take_steps(connection: Connection, cell: Cell, steps: int, processes: int = 1) -> int:
    """Take so many steps, each when told to.

    Args:
        connection: to the parent; where it says COUNT, the step's operations are counted.
        cell: what a step does.
        steps: after which it ends.
        processes: that share each step; this is the one whose rank stands in LOCAL_RANK.

    Returns:
        The floating-point operations of all matrix products in the step that was counted.
    """
    gate, flops = Gate(connection, Clock()), []
    with TemporaryDirectory() as folder:
        training = prepared(cell, Path(folder), steps)
        module = training.module
        time_phases(module, gate.clock)
        step = module.training_step

        def training_step(samples: list[Sample]) -> None:
            if gate.command == COUNT:
                flops.append(counted_flops(step, samples))
            else:
                step(samples)

        module.training_step = training_step
        fit(training, Path(folder), AtTheGate(gate), processes=processes)
    return sum(flops)


def time_phases(module: GRPOModule, clock: Clock) -> None:
    """Charge seconds to rollout, reward, log-probs and diagnostics; the rest is the update."""
    collector, reference = module.collector, module.reference
    collector.encoder.prompt = clock.timed("rollout", collector.encoder.prompt)
    collector.engine.sample = clock.timed("rollout", collector.engine.sample)
    module.collector = replace(collector, reward=clock.timed("reward", collector.reward))
    module.current = clock.timed("log_probs", module.current)
    reference.log_probs = clock.timed("log_probs", reference.log_probs)
    module.log_metrics = clock.timed(DIAGNOSTICS, module.log_metrics)
    for place, names in DESCRIBING.items():
        for name in names:
            setattr(place, name, clock.timed(DIAGNOSTICS, getattr(place, name)))


def record(cell: Cell, path: Path, precision: str) -> float:
    """The loss of one step on a policy away from its reference; gradients and what was sampled go to a file."""
    changes = {"stage.gradient_clip": UNCLIPPED, "trainer.precision": f"{precision}-true"}
    with TemporaryDirectory() as folder:
        training = prepared(cell, Path(folder), 1, **changes)
        collector = training.module.collector
        recorder = Recorder(collector.engine, training.policy.suppressed_ids.tolist())
        training.module.collector = replace(collector, engine=recorder)
        suppress(training, [])  # the other side knows no suppressed ids
        add_noise(training.policy.model)
        gradients = Gradients()
        fit(training, Path(folder), gradients, precision=f"{precision}-true")
    torch.save({"gradients": gradients.found, "completions": recorder.completions}, path)
    return float(training.module.trainer.callback_metrics["grpo/loss"])


def prepared(cell: Cell, folder: Path, steps: int, **changes: object) -> Training:
    """The stage as a run builds it, but each step has questions of its own, and no completion ends early."""
    products.IS_MKL_SLOW &= not cell.is_mkl  # in this process
    config = configuration(cell, **{"trainer.max_steps": steps, "dataset.splits.validation": 1, **changes})
    asked = samples(cell, encoder_of(cell), steps * PROMPTS)
    training = build_training(config, RunFolder(folder), asked, on_rollout=lambda *_: None)
    module, encoder = training.module, training.encoder
    module.collector = replace(
        module.collector,
        engine=NativeEngine(end_ids=[], rows_per_batch=config.rollout.rows_per_batch),
        reward=partial(total_reward, terms=[WeightedTerm(Variety(), 1.0)], missing=Missing.GROUP_MEAN),
    )
    suppress(training, [*training.policy.suppressed_ids.tolist(), *encoder.end_ids])
    return training


def suppress(training: Training, token_ids: Sequence[int]) -> None:
    """Take these ids out of the distribution, of the policy and of its reference."""
    training.policy.suppressed_ids = torch.tensor(token_ids, dtype=torch.long)
    training.module.reference = reference_of(training.policy)


@torch.no_grad()
def add_noise(model: nn.Module) -> None:
    """The same on both sides: on the weights that train; an adapter consists of it."""
    generator = torch.Generator().manual_seed(1)
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(ADAPTER_NOISE * noise if "lora_" in name else parameter + NOISE * noise)


def fit(
    training: Training, folder: Path, callback: Callback, *, precision: str = "32-true", processes: int = 1
) -> None:  # fmt: skip
    """As a run does, less its files and its validation."""
    trainer = Trainer(
        accelerator="cpu", devices=processes, strategy="ddp" if processes > 1 else "auto", precision=precision,
        max_steps=training.module.settings.stop_at, max_epochs=-1, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, use_distributed_sampler=False, callbacks=[callback],
        default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(training.module, datamodule=training.data)


class AtTheGate(Callback):
    """Waits before every step and reports it after."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate

    def on_train_start(self, *_: Any) -> None:
        self.gate.loaded()

    def on_train_batch_start(self, *_: Any) -> None:
        self.gate.enter()

    def on_train_batch_end(self, *_: Any) -> None:
        self.gate.leave()


class Gradients(Callback):
    """What the optimiser is given."""

    def __init__(self) -> None:
        self.found: dict[str, torch.Tensor] = {}

    def on_before_optimizer_step(self, _trainer: Trainer, pl_module: LightningModule, *_: Any) -> None:
        named = pl_module.policy.model.named_parameters()
        self.found = {name: p.grad.clone() for name, p in named if p.grad is not None}


class Recorder:
    """Samples, keeps what was sampled, and scores it as the policy under training does: the ratio is exactly 1."""

    def __init__(self, engine: NativeEngine, never: Sequence[int]) -> None:
        self.engine, self.never = engine, never
        self.capabilities, self.rows_per_batch = engine.capabilities, engine.rows_per_batch
        self.completions: list[tuple[list[int], list[list[int]]]] = []  # prompt and its group

    @torch.no_grad()
    def sample(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
               generator: torch.Generator) -> list[list[SampledCompletion]]:  # fmt: skip
        """As the engine does it."""
        speaker = Policy(policy.model, suppressed_ids=self.never, temperature=policy.temperature, cached_pictures=0)
        groups = self.engine.sample(speaker, prompts, group_size, decoding, generator)
        token_ids = [tuple(sampled.token_ids for sampled in group) for group in groups]
        self.completions = [(p.token_ids, list(ids)) for p, ids in zip(prompts, token_ids, strict=True)]
        packed = [PromptGroup(prompt, ids) for prompt, ids in zip(prompts, token_ids, strict=True)]
        scored = iter(token_log_probs(policy, packed).log_probs)
        return [[SampledCompletion(ids, next(scored), is_ended=False) for ids in group] for group in token_ids]
