"""Rollouts that are sampled one step ahead of their learning, while a judge reads them."""

import threading
from dataclasses import dataclass, field

import pytest
import torch
from grpo_runs import OBJECTIVE, fitted, share_of_even_characters
from test_grpo_options import recorded
from tiny import LIGHTNING_WARNINGS, PEFT_WARNING, relative_difference, samples, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.model import token_log_probs
from pathvlm_r1.reward import JudgeError
from pathvlm_r1.rollout import EngineError, NativeEngine, prompt_groups
from pathvlm_r1.stages import OUTAGES, AheadCollector

pytestmark = [PEFT_WARNING, *LIGHTNING_WARNINGS]

DEADLOCK_SECONDS = 60  # a wait that never ends is a failure and not a hang


@pytest.fixture
def sampled(monkeypatch):
    """The log-probs of every rollout under the policy that sampled it, by the trainer's own pass."""
    calls = []
    sample = NativeEngine.sample

    def kept(engine, policy, prompts, *rest):
        groups = sample(engine, policy, prompts, *rest)
        pairs = [(p, one.token_ids) for p, group in zip(prompts, groups, strict=True) for one in group]
        with torch.no_grad():
            scored = token_log_probs(policy, prompt_groups(pairs))
        calls.append([row[: len(ids)] for row, (_, ids) in zip(scored.log_probs, pairs, strict=True)])
        return groups

    monkeypatch.setattr(NativeEngine, "sample", kept)
    return calls


class JudgeThatWaits:
    """Says nothing of a rollout before `others` calls of the engine have been made since it was asked to wait."""

    def __init__(self, sampled, of):
        self.sampled, self.of, self.asked = sampled, of, 0

    def __call__(self, groups):
        self.asked += 1
        needed = min(self.asked + 1, self.of)
        waited = threading.Event()
        for _ in range(DEADLOCK_SECONDS * 100):
            if len(self.sampled) >= needed:
                return share_of_even_characters(groups)
            waited.wait(0.01)
        raise AssertionError(f"rollout {self.asked} waits for its rewards before the next one is sampled")


def test_the_next_rollout_is_sampled_while_the_judge_reads(tmp_path, sampled):
    """It answers only once that has been sampled: to wait for it first would never end."""
    judge = JudgeThatWaits(sampled, of=3)
    record = fitted(tmp_path, tiny_policy(), reward=judge, collector=AheadCollector, max_steps=3)
    assert len(record.results) == judge.asked == 3
    assert len(sampled) == 3, "no rollout is sampled behind the last step"


def test_every_rollout_but_the_first_is_one_step_stale_and_weighed_by_the_ratio_to_its_own_policy(tmp_path, sampled):
    kept, ages = [], []
    record = fitted(
        tmp_path, tiny_policy(), collector=AheadCollector, max_steps=3, objective=recorded(OBJECTIVE, kept),
        on_rollout=lambda *_: ages.append(len(sampled)),
    )  # fmt: skip
    assert ages == [2, 3, 3]  # rollouts sampled by the time each of the three was learnt
    assert record.metrics["grpo/rollout_age"] == 1
    for rollout, (tokens, _, _) in enumerate(kept):
        old = torch.cat([tokens.old_log_probs[row][mask] for row, mask in enumerate(tokens.mask)])
        found = torch.cat(sampled[rollout])
        assert_close(old.sort().values, found.sort().values, rtol=0, atol=1e-6)
        drift = (tokens.log_probs - tokens.old_log_probs)[tokens.mask].abs().max()
        assert (drift < 1e-6) if rollout == 0 else (drift > 1e-4)


@pytest.mark.medium
def test_where_the_policy_stands_still_it_is_the_same_run(tmp_path):
    settings = {"learning_rate": 0.0, "max_steps": 3, "minibatches": 1}
    ahead = fitted(tmp_path, tiny_policy(), collector=AheadCollector, **settings)
    waiting = fitted(tmp_path, tiny_policy(), **settings)
    assert len(ahead.gradients) == 3
    assert all(relative_difference(a, b) == 0 for a, b in zip(ahead.gradients, waiting.gradients, strict=True))


def test_with_a_policy_that_moves_it_is_not(tmp_path):
    ahead = fitted(tmp_path, tiny_policy(), collector=AheadCollector, max_steps=2)
    waiting = fitted(tmp_path, tiny_policy(), max_steps=2)
    assert relative_difference(ahead.gradients[0], waiting.gradients[0]) == 0
    assert relative_difference(ahead.gradients[1], waiting.gradients[1]) > 1e-3


class JudgeThatFailsOnce:
    def __init__(self, at):
        self.at, self.asked = at, 0
        self.texts = []

    def __call__(self, groups):
        self.asked += 1
        self.texts.append([one.text for group in groups for one in group])
        if self.asked == self.at:
            raise JudgeError("it is down")
        return share_of_even_characters(groups)


@dataclass(frozen=True)
class EngineThatFailsOnce:
    """Another engine that draws, and then does not answer."""

    engine: NativeEngine
    at: int
    asked: list[int] = field(default_factory=list)

    def sample(self, *arguments):
        self.asked.append(len(self.asked) + 1)
        groups = self.engine.sample(*arguments)
        if len(self.asked) == self.at:
            raise EngineError("it is down")
        return groups


def collected_again(collector, policy, failing):
    """Three steps of a collector, asked again where an outage ends one; all completions in order."""
    generator, found = torch.Generator().manual_seed(0), []
    steps = [samples(12)[2 * step : 2 * step + 2] for step in range(3)]
    for step, (these, following) in enumerate(zip(steps, [*steps[1:], []], strict=True)):
        for _ in range(2 if step + 1 == failing else 1):
            try:
                found.append(collector.collect(policy, these, generator, following))
            except OUTAGES:
                continue
    return [one.text for each in found for group in each.groups for one in group]


@pytest.mark.medium
@pytest.mark.parametrize("failing", [1, 2, 3])
def test_after_a_judge_has_failed_the_same_completions_are_judged_again(tmp_path, failing):
    record = fitted(tmp_path, tiny_policy(), collector=AheadCollector, learning_rate=0.0)
    made = record.module.collector

    def fresh(reward):
        return AheadCollector(made.encoder, made.engine, made.decoding, reward, made.group_size, 0)

    judge = JudgeThatFailsOnce(at=failing)
    texts = collected_again(fresh(judge), record.module.policy, failing)
    assert texts == collected_again(fresh(share_of_even_characters), record.module.policy, failing=0)
    assert judge.asked == 4
    assert judge.texts[failing - 1] == judge.texts[failing]


@pytest.mark.medium
@pytest.mark.parametrize(("rollout", "failing"), [(1, 1), (2, 1), (3, 2)])
def test_after_an_engine_has_failed_the_same_completions_are_sampled_again(tmp_path, rollout, failing):
    record = fitted(tmp_path, tiny_policy(), collector=AheadCollector, learning_rate=0.0)
    made = record.module.collector

    def fresh(engine):
        return AheadCollector(made.encoder, engine, made.decoding, share_of_even_characters, made.group_size, 0)

    engine = EngineThatFailsOnce(made.engine, at=rollout)
    texts = collected_again(fresh(engine), record.module.policy, failing)
    assert texts == collected_again(fresh(made.engine), record.module.policy, failing=0)
    assert len(engine.asked) == 4
