"""Experience one step ahead: while a judge reads one rollout, the policy learns from the last and samples the next.

A judge behind a network is waited for most of the time. Here a rollout is sampled before the policy takes the step that
comes first, so that its rewards are there when they are needed. It is then one step stale, exactly, which the ratio to
the log-probs under which it was sampled corrects in the loss. The first rollout of a run has no step before it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import torch

from pathvlm_r1.data import Sample
from pathvlm_r1.model import EncodedPrompt, Policy
from pathvlm_r1.reward import Completion, JudgeError, RewardTable
from pathvlm_r1.rollout import EngineError, Rollout, SampledCompletion
from pathvlm_r1.stages.experience import Collected, Collector, Group


@dataclass(frozen=True)
class _Sampled:
    """A rollout without its rewards."""

    rollout: Rollout
    texts: list[list[Completion]]
    age: int


@dataclass(frozen=True)
class _Judged:
    rewards: RewardTable
    seconds: float


@dataclass
class _Queue:
    """The rollout that the next step learns from, and its rewards as they come."""

    judge: ThreadPoolExecutor = field(default_factory=lambda: ThreadPoolExecutor(1, thread_name_prefix="judge"))
    sampled: _Sampled | None = None
    judged: Future[_Judged] | None = None


@dataclass(frozen=True)
class AheadCollector(Collector):
    """Collects the experience of one step while that of the step before is learnt; nothing is sampled anew."""

    queue: _Queue = field(default_factory=_Queue)

    def collect(
        self, policy: Policy, samples: Sequence[Sample], generator: torch.Generator, following: Sequence[Sample] = ()
    ) -> Collected:  # fmt: skip
        """The experience of this step, whose rewards were asked for a step ago; then those of the next one are.

        Where an outage ends the run, generator and queue are as if the step had not begun.
        """
        queue, before = self.queue, generator.get_state()
        seconds = {"rollout": 0.0, "reward": 0.0}
        if queue.sampled is None:
            queue.sampled = self._ahead(policy, samples, generator, seconds, age=0)
            before = generator.get_state()
        if queue.judged is None:
            queue.judged = queue.judge.submit(self._judged, queue.sampled)
        sampled = queue.sampled
        fresh = self._ahead(policy, following, generator, seconds, age=1) if following else None
        started = time.perf_counter()
        try:
            judged = queue.judged.result()
        except JudgeError:
            generator.set_state(before)
            queue.judged = None
            raise
        seconds["reward"] = time.perf_counter() - started
        queue.sampled = fresh
        queue.judged = None if fresh is None else queue.judge.submit(self._judged, fresh)
        return Collected(
            sampled.rollout, sampled.texts, self.weigh(judged.rewards), seconds, age=sampled.age,
            judging_seconds=judged.seconds,
        )  # fmt: skip

    def state(self) -> dict[str, Any]:
        """What is queued, for a checkpoint: tokens and log-probs of every completion; empty where nothing is."""
        sampled = self.queue.sampled
        if sampled is None:
            return {}
        groups = [[(one.token_ids, one.log_probs, one.is_ended) for one in group] for group in sampled.rollout.groups]
        return {"groups": groups, "age": sampled.age}

    def restore(self, state: dict[str, Any], samples: Sequence[Sample]) -> None:
        """Queue what `state` kept; its rewards are asked for again, of a judge that remembers them.

        Args:
            state: of a checkpoint.
            samples: of the step that it belongs to.
        """
        groups = [tuple(SampledCompletion(*one) for one in group) for group in state["groups"]]
        prompts = [self.encoder.prompt(sample) for sample in samples]
        self.queue.sampled = self._with_texts(samples, prompts, groups, age=state["age"])

    def _ahead(
        self, policy: Policy, samples: Sequence[Sample], generator: torch.Generator, seconds: dict[str, float], *,
        age: int,
    ) -> _Sampled:  # fmt: skip
        prompts, before = [self.encoder.prompt(sample) for sample in samples], generator.get_state()
        try:
            groups = self._sample(policy, prompts, generator, seconds)
        except EngineError:
            generator.set_state(before)
            raise
        return self._with_texts(samples, prompts, groups, age=age)

    def _with_texts(
        self, samples: Sequence[Sample], prompts: Sequence[EncodedPrompt], groups: Sequence[Group], *, age: int
    ) -> _Sampled:  # fmt: skip
        texts = [self._texts(group, sample) for group, sample in zip(groups, samples, strict=True)]
        return _Sampled(Rollout(tuple(prompts), tuple(groups)), texts, age)

    def _judged(self, sampled: _Sampled) -> _Judged:
        started = time.perf_counter()
        return _Judged(self.reward(sampled.texts), time.perf_counter() - started)
