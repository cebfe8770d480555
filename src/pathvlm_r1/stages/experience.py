"""Experience: groups of completions with their rewards, sampled anew where a group has nothing to tell."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import as_completion
from pathvlm_r1.model import EncodedPrompt, Policy, PromptGroup, SampleEncoder
from pathvlm_r1.reward import Completion, JudgeError, RewardTable, is_without_signal
from pathvlm_r1.rollout import Decoding, Engine, EngineError, Rollout, SampledCompletion, passes, prompt_groups
from pathvlm_r1.stages.token_budget import TokenBudget

# What ends a run from outside its process: a judge, or a server that samples. The run can go on where it was.
OUTAGES = (JudgeError, EngineError)

Group = tuple[SampledCompletion, ...]


@dataclass(frozen=True)
class Collected:
    """One rollout with its rewards, and what it cost."""

    rollout: Rollout
    groups: list[list[Completion]]
    rewards: RewardTable
    seconds: dict[str, float]  # of the phases rollout and reward, what was sampled anew included
    resampled: int = 0  # groups that were sampled anew, each time counted
    discarded_tokens: int = 0  # of the completions that they replaced
    age: int = 0  # rollouts' worth of updates that the policy has taken since it sampled this
    judging_seconds: float = 0.0  # that the reward took, where the step waited for less than that

    @property
    def is_capped(self) -> Tensor:
        """[B, G] bool, True where the cap cut a completion off."""
        return torch.tensor([[completion.is_capped for completion in group] for group in self.groups])


@dataclass(frozen=True)
class Collector:
    """Samples `group_size` completions for each prompt and rewards them.

    Groups of which all rewards are equal have no gradient; they are sampled anew at most `resample_rounds` times, and
    what they cost is counted. Source: the dynamic sampling of Yu et al. 2025 (DAPO), arXiv:2503.14476, section 3.2, on
    the same prompts.
    """

    encoder: SampleEncoder
    engine: Engine
    decoding: Decoding
    reward: Callable[[Sequence[Sequence[Completion]]], RewardTable]
    group_size: int
    resample_rounds: int
    weigh: Callable[[RewardTable], RewardTable] = lambda rewards: rewards  # the weights of the step that learns from it

    @property
    def is_own_model(self) -> bool:
        """Whether the engine's log-probs are the trainer's own, but for rounding."""
        return "own_model" in self.engine.capabilities

    def collect(
        self, policy: Policy, samples: Sequence[Sample], generator: torch.Generator, following: Sequence[Sample] = ()
    ) -> Collected:  # fmt: skip
        """The experience of one step; where an outage ends the run, the generator is as if it had not begun.

        Who goes on then samples the same completions, whose verdicts are paid for.

        Args:
            policy: that samples.
            samples: B prompts' worth.
            generator: of the draws.
            following: the samples of the step after this one, for who works ahead; nobody does here.
        """
        del following
        before = generator.get_state()
        try:
            return self._collected(policy, samples, generator)
        except OUTAGES:
            generator.set_state(before)
            raise

    def state(self) -> dict[str, Any]:
        """What is sampled for the next step already, for a checkpoint: nothing."""
        return {}

    def restore(self, state: dict[str, Any], samples: Sequence[Sample]) -> None:
        """Go on with what `state` kept, for these samples."""
        raise ValueError(f"{len(samples)} samples and {sorted(state)}: a collector that works ahead kept them")

    def _collected(self, policy: Policy, samples: Sequence[Sample], generator: torch.Generator) -> Collected:
        prompts = [self.encoder.prompt(sample) for sample in samples]
        seconds = {"rollout": 0.0, "reward": 0.0}
        groups = self._sample(policy, prompts, generator, seconds)
        texts = [self._texts(group, sample) for group, sample in zip(groups, samples, strict=True)]
        rewards = self._rewarded(texts, seconds)
        resampled = discarded = 0
        for _ in range(self.resample_rounds):
            silent = is_without_signal(rewards.total).nonzero()[:, 0].tolist()
            if not silent:
                break
            resampled += len(silent)
            discarded += sum(len(completion.token_ids) for place in silent for completion in groups[place])
            fresh = self._sample(policy, [prompts[place] for place in silent], generator, seconds)
            for place, group in zip(silent, fresh, strict=True):
                groups[place], texts[place] = group, self._texts(group, samples[place])
            rewards = self._rewarded(texts, seconds)
        return Collected(Rollout(tuple(prompts), tuple(groups)), texts, rewards, seconds, resampled, discarded)

    def _sample(
        self, policy: Policy, prompts: Sequence[EncodedPrompt], generator: torch.Generator, seconds: dict[str, float]
    ) -> list[Group]:
        started = time.perf_counter()
        groups = self.engine.sample(policy, prompts, self.group_size, self.decoding, generator)
        seconds["rollout"] += time.perf_counter() - started
        return [tuple(group) for group in groups]

    def _texts(self, group: Group, sample: Sample) -> list[Completion]:
        """Each completion with the sample that it answers."""
        return [as_completion(sampled, sample, self.encoder.encoder) for sampled in group]

    def _rewarded(self, texts: Sequence[Sequence[Completion]], seconds: dict[str, float]) -> RewardTable:
        started = time.perf_counter()
        rewards = self.weigh(self.reward(texts))
        seconds["reward"] += time.perf_counter() - started
        return rewards


@torch.no_grad()
def row_scores(
    score: Callable[[Sequence[PromptGroup]], Tensor], pairs: Sequence[tuple[EncodedPrompt, list[int]]],
    budget: TokenBudget,
) -> list[Tensor]:  # fmt: skip
    """One tensor [C] for every completion, in order, from what `score` says [N, C] of passes within the budget."""
    found: dict[int, Tensor] = {}
    for places in passes(pairs, budget.tokens):
        scores = score(prompt_groups([pairs[place] for place in places])).cpu()
        found |= {place: scores[row, : len(pairs[place][1])] for row, place in enumerate(places)}
    return [found[place] for place in range(len(pairs))]
