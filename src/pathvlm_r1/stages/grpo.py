"""Group Relative Policy Optimization: the custom loop.

One step: sample groups, reward them, compare within each group, and follow the objective for mu iterations.
Source: Shao et al. 2024, arXiv:2402.03300, algorithm 1.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch
from torch import Tensor

from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import Batch, ItemStream
from pathvlm_r1.grpo import Objective, ObjectiveResult, Tokens, Totals, entropy_floor, whole_step
from pathvlm_r1.model import Policy, PromptGroup, Reference, TokenLogProbs, token_log_probs
from pathvlm_r1.reward import RewardTable
from pathvlm_r1.rollout import MicroBatch, Minibatch
from pathvlm_r1.stages.credit import Credit, LearntRollout, OnRollout
from pathvlm_r1.stages.experience import Collected, Collector, row_scores
from pathvlm_r1.stages.faults import require_finite, require_own_sampler
from pathvlm_r1.stages.optimisation import Schedule, adamw, apply_gradients, current_rate, scheduled
from pathvlm_r1.stages.telemetry import describe_entropy, describe_step
from pathvlm_r1.stages.together import gathered, reduced
from pathvlm_r1.stages.token_budget import TokenBudget, longest_case
from pathvlm_r1.tracking import MeasuredModule


@dataclass(frozen=True)
class GRPOSettings:
    """What the loop itself reads of `conf/stage/grpo.yaml`."""

    minibatches: int
    num_iterations: int
    beta: float
    kl_in: Literal["loss", "reward"]
    top_entropy: float
    reference_every: int  # optimiser steps after which the reference follows the policy; 0: never
    stop_at: int  # optimiser steps after which the run ends
    learning_rate: float
    schedule: Schedule
    weight_decay: float
    gradient_clip: float
    shuffle_rewards: bool
    filter_truncated: bool


class GRPOModule(MeasuredModule):
    """Group Relative Policy Optimization with manual optimisation: one optimiser step per minibatch.

    Args:
        policy: what trains.
        reference: the policy at step 0, or as it was synchronised last; None where beta is 0.
        collector: samples groups and rewards them.
        total: from rewards to the total of every completion [B, G].
        advantages: from totals [B, G] to advantages [B, G].
        objective: the loss.
        budget: tokens of one forward pass.
        settings: of the loop.
        seed: of sampling.
        folder: the run's, for what a fault leaves behind.
        on_rollout: is given every rollout.
    """

    def __init__(
        self, *, policy: Policy, reference: Reference | None, collector: Collector,
        total: Callable[[RewardTable], Tensor], advantages: Callable[[Tensor], Tensor], objective: Objective,
        budget: TokenBudget, settings: GRPOSettings, seed: int, folder: Path, on_rollout: OnRollout,
    ) -> None:  # fmt: skip
        super().__init__()
        self.automatic_optimization = False
        self.policy, self.reference, self.collector = policy, reference, collector
        self.total, self.advantages, self.objective = total, advantages, objective
        self.budget, self.settings = budget, settings
        self.generator = torch.Generator().manual_seed(seed)  # on the policy's device from `on_fit_start` on
        self.seed = seed
        self._generator_state: Tensor | None = None  # of a resumed run, until its generator is there
        self._ahead: dict[str, Any] = {}  # likewise, what its collector had sampled for the next step
        self.folder = folder
        self.on_rollout = on_rollout

    def on_fit_start(self) -> None:
        self.policy.train()  # weights are loaded in evaluation mode, where gradient checkpointing is silently off
        if self.reference is not None:
            self.reference.move_to(self.device)
        own_seed = self.seed + self.global_rank + self.global_step * self.trainer.world_size
        self.generator = torch.Generator(device=self.device).manual_seed(own_seed)
        if self._generator_state is not None and self.trainer.world_size == 1:  # a checkpoint holds the first one's
            self.generator.set_state(self._generator_state)
            if self._ahead:
                self.collector.restore(self._ahead, self.samples_of(0))

    def training_step(self, samples: list[Sample]) -> None:
        collected = self.collector.collect(self.policy, samples, self.generator, self.following())
        self.find_budget(collected)
        started = time.perf_counter()
        pairs = collected.rollout.pairs
        reference = None if self.reference is None else row_scores(self.reference.log_probs, pairs, self.budget)
        old = None if self.collector.is_own_model else row_scores(self.own_scores, pairs, self.budget)
        log_probs = old or [completion.log_probs for completion in collected.rollout.completions]
        total, steps_before = self.total(collected.rewards), self.global_step
        divergence = self.divergence(log_probs, reference)
        credit = Credit(total, self.settings.beta, divergence, self.order(total.numel()))
        advantages = self.compared(credit.compared)
        is_counted = collected.rewards.counted
        if self.settings.filter_truncated:
            is_counted = is_counted & ~collected.is_capped
        minibatches = collected.rollout.minibatches(
            advantages, is_counted, self.settings.minibatches, old=old,
            reference=reference if self.settings.kl_in == "loss" else None,
        )  # fmt: skip
        scored = time.perf_counter()
        results = self.learn(minibatches, is_fresh=collected.age == 0)
        seconds = collected.seconds | {"log_probs": scored - started, "update": time.perf_counter() - scored}
        self.trainer.datamodule.batches_done += 1
        self.on_rollout(
            LearntRollout(
                index=self.trainer.datamodule.batches_done - 1, steps_before=steps_before, step=self.global_step,
                process=self.global_rank, processes=self.trainer.world_size, groups=collected.groups,
                rewards=collected.rewards, credit=credit, advantages=advantages, is_counted=is_counted,
            )
        )  # fmt: skip
        filtered = int((collected.rewards.counted & ~is_counted).sum())
        self.log_metrics(describe_step(collected, results, seconds=seconds, filtered=filtered))

    def following(self) -> list[Sample]:
        """The samples of the next step; none behind the last one."""
        if self.global_step + self.settings.minibatches * self.settings.num_iterations >= self.settings.stop_at:
            return []
        return self.samples_of(1)

    def samples_of(self, later: int) -> list[Sample]:
        """The samples of the step after so many others, 0 for the one that comes next or is under way."""
        stream: ItemStream = self.trainer.datamodule
        return stream.batch(stream.batches_done + later)

    def find_budget(self, collected: Collected) -> None:
        """Before the first step, where running out of memory is an exception and not the end of the process."""
        if self.budget.is_found or self.device.type != "cuda":
            return
        longest = max(collected.rollout.prompts, key=lambda prompt: len(prompt.token_ids))
        cap = self.collector.decoding.max_completion_tokens
        self.budget.find(
            longest_case(self.policy, longest, completion_tokens=cap, group_size=self.collector.group_size)
        )

    def divergence(self, log_probs: Sequence[Tensor], reference: Sequence[Tensor] | None) -> Tensor | None:
        """[B, G] of each completion, in nats, where that is paid in reward."""
        if reference is None or self.settings.kl_in == "loss":
            return None
        pairs = zip(log_probs, reference, strict=True)
        divergences = [float(self.objective.kl(own, kept.to(own)).sum()) for own, kept in pairs]
        self.log_metrics({"grpo/kl_in_reward": sum(divergences) / len(divergences)})
        return torch.tensor(divergences, dtype=torch.float64).view(-1, self.collector.group_size)

    def order(self, completions: int) -> Tensor | None:
        """[B * G] in the negative control: whose total each completion is dealt, drawn among all of them."""
        if not self.settings.shuffle_rewards:
            return None
        return torch.randperm(completions, generator=self.generator, device=self.generator.device).cpu()

    def compared(self, total: Tensor) -> Tensor:
        """Advantages [B, G]; statistics of the batch are over the groups of all processes."""
        everyone = self.all_gather(total.to(self.device)).view(-1, total.shape[-1])
        start = self.global_rank * len(total)
        return self.advantages(everyone)[start : start + len(total)].to(total.device)

    def learn(self, minibatches: Sequence[Minibatch], *, is_fresh: bool) -> list[ObjectiveResult]:
        """`num_iterations` passes over the rollout; stops inside one when the run's optimiser steps are done."""
        results: list[ObjectiveResult] = []
        for _ in range(self.settings.num_iterations):
            for minibatch in minibatches:
                if self.global_step >= self.settings.stop_at:
                    return results
                results.append(self.update(minibatch, is_on_policy=is_fresh and not results))
                every = self.settings.reference_every
                if self.reference is not None and every > 0 and self.global_step % every == 0:
                    self.reference.follow(self.policy)
        return results

    def update(self, minibatch: Minibatch, *, is_on_policy: bool) -> ObjectiveResult:
        """One optimiser step; where memory runs out it begins again in smaller passes."""
        totals = self.totals(minibatch)
        while True:
            try:
                shares = self.accumulate(minibatch, totals, is_on_policy=is_on_policy)
                break
            except torch.OutOfMemoryError:
                if self.trainer.world_size > 1:
                    raise  # the other processes are in the middle of the same step
                self.zero_grad(set_to_none=True)
                self.budget.halve()
        rate, norm = current_rate(self), apply_gradients(self, self.settings.gradient_clip)
        self.log_metrics({"grpo/learning_rate": rate, "grpo/gradient_norm": norm})
        return whole_step(shares)

    def accumulate(self, minibatch: Minibatch, totals: Totals, *, is_on_policy: bool) -> list[ObjectiveResult]:
        """The gradient of a minibatch, pass by pass."""
        shares, scored = [], []
        batches = list(minibatch.micro_batches(self.budget.tokens))
        for index, batch in enumerate(batches):
            with reduced(self.trainer.strategy.model, is_last=index == len(batches) - 1):
                current = self.current(batch.groups)
                if is_on_policy and batch.sampler_log_probs is None:
                    self.check_sampler(current, batch)
                share = self.objective(self.tokens(batch, current), totals, beta=self.loss_beta)
                require_finite(share.loss, step=self.global_step, folder=self.folder, batch=self.described(batch))
                self.manual_backward(share.loss * self.trainer.world_size)  # DDP averages gradients over processes
            shares.append(share.detached())
            scored.append(current)
        self.log_metrics(describe_entropy(scored))
        return shares

    def current(self, groups: Sequence[PromptGroup]) -> TokenLogProbs:
        """What the policy says now, with the gradients that the objective asks for."""
        return token_log_probs(self.policy, groups, with_entropy_gradient=self.objective.entropy_bonus > 0)

    def own_scores(self, groups: Sequence[PromptGroup]) -> Tensor:
        """[N, C] log-probs under the policy, where the engine's are another's."""
        return self.current(groups).log_probs

    @property
    def loss_beta(self) -> float:
        """Weight of the divergence in the loss: 0 where it is paid in reward."""
        return self.settings.beta if self.settings.kl_in == "loss" else 0.0

    def tokens(self, batch: MicroBatch, current: TokenLogProbs) -> Tokens:
        """A micro-batch for the objective, on the policy's device."""
        dtype = current.log_probs.dtype

        def here(values: Tensor | None) -> Tensor | None:
            return None if values is None else values.to(self.device, dtype)

        return Tokens(
            log_probs=current.log_probs,
            old_log_probs=batch.old_log_probs.to(self.device, dtype),
            advantages=batch.advantages.to(self.device, dtype),
            mask=current.mask & batch.is_counted.to(self.device)[:, None],
            reference_log_probs=here(batch.reference_log_probs),
            sampler_log_probs=here(batch.sampler_log_probs),
            entropy=current.entropy,
        )

    def totals(self, minibatch: Minibatch) -> Totals:
        """What the optimiser step averages over, in all processes together."""
        own = torch.tensor([len(minibatch.rows), minibatch.counted_tokens], device=self.device)
        rows, tokens = self.all_gather(own).view(-1, 2).sum(dim=0).tolist()
        if self.settings.top_entropy == 1:
            return Totals(rows, tokens)
        entropies = self.entropies(minibatch)
        floor = entropy_floor(entropies, self.settings.top_entropy)
        return Totals(rows, tokens, entropy_floor=floor, top_tokens=int((entropies >= floor).sum()))

    def entropies(self, minibatch: Minibatch) -> Tensor:
        """[T] of every counted token of the optimiser step, all processes together."""
        counted = [(row.prompt, row.completion.token_ids) for row in minibatch.rows if row.is_counted]
        scores = row_scores(lambda groups: self.current(groups).entropy, counted, self.budget)
        return gathered(torch.cat([*scores, torch.zeros(0)]).to(self.device), self.all_gather)  # there may be none

    def check_sampler(self, current: TokenLogProbs, batch: MicroBatch) -> None:
        """Before the first update the trainer must find the sampler's own log-probs again."""
        difference = (current.log_probs.detach() - batch.old_log_probs.to(self.device)).abs()[current.mask]
        self.log_metrics({"grpo/sampler_mismatch": difference.max()})
        require_own_sampler(difference, precision=self.trainer.precision)

    def described(self, batch: MicroBatch) -> dict[str, Any]:
        """A micro-batch as text, for inspection."""
        decode = self.collector.encoder.encoder.decode
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
        checkpoint["ahead"] = self.collector.state()
        if self.reference is not None and self.settings.reference_every > 0:
            checkpoint["reference"] = self.reference.state()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        self._generator_state = checkpoint["sampling_generator"]
        self._ahead = checkpoint.get("ahead", {})
        if self.reference is not None and "reference" in checkpoint:
            self.reference.load_state(checkpoint["reference"])
