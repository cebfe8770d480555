"""Group Relative Policy Optimization: the custom loop.

One step: sample groups, reward them, compare within each group, and follow the objective for mu iterations.
Source: Shao et al. 2024, arXiv:2402.03300, algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from pytorch_lightning import LightningModule
from torch import Tensor

from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import Batch
from pathvlm_r1.evaluation import as_completion
from pathvlm_r1.grpo import Normaliser, ObjectiveResult, whole_step
from pathvlm_r1.model import Policy, Reference, SampleEncoder, TokenLogProbs, token_log_probs
from pathvlm_r1.reward import Completion, RewardTable
from pathvlm_r1.rollout import Decoding, Engine, MicroBatch, Minibatch, Rollout
from pathvlm_r1.stages.faults import TrainingError, require_finite
from pathvlm_r1.stages.optimisation import Schedule, adamw, apply_gradients, current_rate, scheduled
from pathvlm_r1.stages.telemetry import describe_rewards, describe_rollout, describe_update

# In nats, between the log-probs of sampling and training: in float32 rounding is some 1e-6 and the largest must stay
# below the limit; in reduced precision a single token may be off by tenths, and the mean must.
MISMATCH_LIMIT = 1e-3
MEAN_MISMATCH_LIMIT = 0.05
FULL_PRECISIONS = ("32-true", "64-true")


class Loss(Protocol):
    """An objective with its own settings bound."""

    def __call__(
        self, log_probs: Tensor, old_log_probs: Tensor, reference_log_probs: Tensor | None, advantages: Tensor,
        mask: Tensor, *, beta: float, normaliser: Normaliser,
    ) -> ObjectiveResult:  # fmt: skip
        """A micro-batch's share of the loss."""
        ...


@dataclass(frozen=True)
class GRPOSettings:
    """What the loop itself reads of `conf/stage/grpo.yaml`."""

    group_size: int
    minibatches: int
    num_iterations: int
    rows_per_forward: int
    beta: float
    stop_at: int  # optimiser steps after which the run ends
    learning_rate: float
    schedule: Schedule
    weight_decay: float
    gradient_clip: float
    shuffle_rewards: bool


class GRPOModule(LightningModule):  # type: ignore[misc]
    """Group Relative Policy Optimization with manual optimisation: one optimiser step per minibatch.

    Args:
        policy: what trains.
        reference: the policy at step 0; None where beta is 0.
        encoder: prompts under the contract.
        reward: scores groups of completions.
        engine: samples them.
        decoding: at the policy's own temperature.
        advantages: from total rewards [B, G] to advantages [B, G].
        loss: the objective.
        settings: of the loop.
        seed: of sampling.
        folder: the run's, for what a fault leaves behind.
    """

    def __init__(
        self, *, policy: Policy, reference: Reference | None, encoder: SampleEncoder,
        reward: Callable[[Sequence[Sequence[Completion]]], RewardTable], engine: Engine, decoding: Decoding,
        advantages: Callable[[Tensor], Tensor], loss: Loss, settings: GRPOSettings, seed: int, folder: Path,
        on_rollout: Callable[[int, Sequence[Sequence[Completion]], RewardTable], None],
    ) -> None:  # fmt: skip
        super().__init__()
        self.automatic_optimization = False
        self.policy, self.reference, self.encoder = policy, reference, encoder
        self.reward, self.engine, self.decoding = reward, engine, decoding
        self.advantages, self.loss, self.settings = advantages, loss, settings
        self.generator = torch.Generator().manual_seed(seed)  # on the policy's device from `on_fit_start` on
        self.seed = seed
        self._generator_state: Tensor | None = None  # of a resumed run, until its generator is there
        self.folder = folder
        self.on_rollout = on_rollout

    def on_fit_start(self) -> None:
        self.policy.train()  # weights are loaded in evaluation mode, where gradient checkpointing is silently off
        if self.reference is not None:
            self.reference.move_to(self.device)
        self.generator = torch.Generator(device=self.device).manual_seed(self.seed)
        if self._generator_state is not None:
            self.generator.set_state(self._generator_state)

    def training_step(self, samples: list[Sample]) -> None:
        started = time.perf_counter()
        rollout = self.roll_out(samples)
        sampled = time.perf_counter()
        groups = self.completions(samples, rollout)
        rewards = self.reward(groups)
        rewarded = time.perf_counter()
        advantages = self.advantages(self.dealt(rewards.total))  # [B, G]
        results = self.learn(rollout, advantages, rewards.counted)
        seconds = {"rollout": sampled - started, "reward": rewarded - sampled, "update": time.perf_counter() - rewarded}
        self.trainer.datamodule.batches_done += 1
        self.on_rollout(self.global_step, groups, rewards)
        self.log_dict(
            describe_rollout(rollout, groups, seconds) | describe_rewards(rewards) | describe_update(results),
            batch_size=1,
        )

    def roll_out(self, samples: Sequence[Sample]) -> Rollout:
        """G completions for every sample's prompt."""
        prompts = [self.encoder.prompt(sample) for sample in samples]
        groups = self.engine.sample(self.policy, prompts, self.settings.group_size, self.decoding, self.generator)
        return Rollout(tuple(prompts), tuple(tuple(group) for group in groups))

    def completions(self, samples: Sequence[Sample], rollout: Rollout) -> list[list[Completion]]:
        """The sampled tokens as texts, each with the sample that it answers."""
        encoder = self.encoder.encoder
        return [
            [as_completion(sampled, sample, encoder) for sampled in group]
            for sample, group in zip(samples, rollout.groups, strict=True)
        ]

    def dealt(self, total: Tensor) -> Tensor:
        """The total rewards [B, G]; in the negative control dealt out among all completions at random."""
        if not self.settings.shuffle_rewards:
            return total
        order = torch.randperm(total.numel(), generator=self.generator, device=self.generator.device)
        return total.flatten()[order.to(total.device)].view_as(total)

    def learn(self, rollout: Rollout, advantages: Tensor, is_counted: Tensor) -> list[ObjectiveResult]:
        """`num_iterations` passes over the rollout; stops inside one when the run's optimiser steps are done."""
        results: list[ObjectiveResult] = []
        for iteration in range(self.settings.num_iterations):
            for minibatch in rollout.minibatches(advantages, is_counted, self.settings.minibatches):
                if self.global_step >= self.settings.stop_at:
                    return results
                results.append(self.update(minibatch, is_on_policy=iteration == 0 and not results))
        return results

    def update(self, minibatch: Minibatch, *, is_on_policy: bool) -> ObjectiveResult:
        """One optimiser step; with beta 0 the reference is never run."""
        normaliser = self.over_processes(Normaliser(len(minibatch.rows), minibatch.counted_tokens))
        shares, entropies = [], []
        for batch in minibatch.micro_batches(self.settings.rows_per_forward):
            share, current = self.objective(batch, normaliser)
            if is_on_policy:
                self.check_sampler(current, batch)
            require_finite(share.loss, step=self.global_step, folder=self.folder, batch=self.described(batch))
            self.manual_backward(share.loss * self.trainer.world_size)  # DDP averages gradients over processes
            shares.append(share.detached())
            entropies.append(current.entropy[current.mask])
        self.log("grpo/entropy", torch.cat(entropies).mean(), batch_size=1)
        self.log("grpo/learning_rate", current_rate(self), batch_size=1)
        norm = apply_gradients(self, self.settings.gradient_clip)
        self.log("grpo/gradient_norm", norm, batch_size=1)
        return whole_step(shares)

    def objective(self, batch: MicroBatch, normaliser: Normaliser) -> tuple[ObjectiveResult, TokenLogProbs]:
        """The loss of a micro-batch, and the policy's log-probs."""
        current = token_log_probs(self.policy, batch.groups)
        reference = self.reference.log_probs(batch.groups) if self.reference is not None else None
        mask = current.mask & batch.is_counted.to(self.device)[:, None]
        result = self.loss(
            current.log_probs, batch.old_log_probs.to(self.device), reference,
            batch.advantages.to(self.device, current.log_probs.dtype), mask,
            beta=self.settings.beta, normaliser=normaliser,
        )  # fmt: skip
        return result, current

    def check_sampler(self, current: TokenLogProbs, batch: MicroBatch) -> None:
        """Before the first update the trainer must find the sampler's own log-probs again.

        Raises:
            TrainingError: they differ by more than rounding: other weights, or settings that only one side knows.
        """
        difference = (current.log_probs.detach() - batch.old_log_probs.to(self.device)).abs()[current.mask]
        self.log("grpo/sampler_mismatch", float(difference.max()), batch_size=1)
        is_full = self.trainer.precision in FULL_PRECISIONS
        mismatch = float(difference.max() if is_full else difference.mean())
        limit = MISMATCH_LIMIT if is_full else MEAN_MISMATCH_LIMIT
        if mismatch > limit:
            raise TrainingError(
                f"sampling and training log-probs differ by {mismatch:.3g} nats before the first update (rounding is "
                f"below {limit}): the sampler does not sample from the policy that is trained."
            )

    def over_processes(self, normaliser: Normaliser) -> Normaliser:
        """The counts of all processes together."""
        own = torch.tensor([normaliser.rows, normaliser.tokens], device=self.device)
        counts = self.all_gather(own).view(-1, 2).sum(dim=0)
        return Normaliser(int(counts[0]), int(counts[1]))

    def described(self, batch: MicroBatch) -> dict[str, Any]:
        """A micro-batch as text, for inspection."""
        decode = self.encoder.encoder.decode
        return {
            "prompts": [decode(group.prompt.token_ids) for group in batch.groups],
            "completions": [decode(ids) for group in batch.groups for ids in group.completions],
            "advantages": batch.advantages.tolist(),
        }

    def transfer_batch_to_device(self, batch: Batch, device: torch.device, dataloader_idx: int) -> list[Sample]:
        del device, dataloader_idx  # samples are encoded first
        return batch.items

    def configure_optimizers(self) -> Any:
        settings = self.settings
        made = adamw(self.policy, learning_rate=settings.learning_rate, weight_decay=settings.weight_decay)
        return scheduled(made, settings.schedule)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        checkpoint["sampling_generator"] = self.generator.get_state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._generator_state = checkpoint["sampling_generator"]
