"""What a GRPO step may be asked beside its objective: how the divergence is paid, what is masked or sampled anew."""

import math
from dataclasses import replace
from functools import partial

import pytest
import torch
from grpo_runs import OBJECTIVE, equal_rewards, fitted, table
from tiny import LIGHTNING_WARNINGS, PEFT_WARNING, perturbed, relative_difference, samples, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.grpo import entropy_floor, group_relative_advantages, mismatch_weights, token_mean
from pathvlm_r1.model import PromptGroup, reference_of, token_log_probs
from pathvlm_r1.rollout import NativeEngine
from pathvlm_r1.stages import TrainingError
from pathvlm_r1.stages.telemetry import describe_entropy

pytestmark = [PEFT_WARNING, *LIGHTNING_WARNINGS]


def recorded(objective, kept):
    """An objective that keeps what it is given."""

    def call(tokens, totals, *, beta):
        kept.append((tokens, totals, beta))
        return objective(tokens, totals, beta=beta)

    call.kl, call.entropy_bonus = objective.kl, objective.entropy_bonus
    return call


@pytest.mark.medium
def test_a_divergence_paid_in_reward_is_taken_off_the_totals_and_leaves_the_loss(tmp_path):
    far = reference_of(perturbed(tiny_policy()))
    seen, kept = [], []
    record = fitted(
        tmp_path, tiny_policy(), reference=far, kl_in="reward", beta=0.5, objective=recorded(OBJECTIVE, kept),
        on_rollout=seen.append,
    )  # fmt: skip
    assert all(tokens.reference_log_probs is None and beta == 0 for tokens, _, beta in kept)
    (rollout,) = seen
    divergence = rollout.credit.divergence
    assert record.metrics["grpo/kl_in_reward"] == pytest.approx(float(divergence.mean()), rel=1e-6)
    assert_close(rollout.credit.compared, rollout.rewards.total - 0.5 * divergence, rtol=0, atol=0)
    assert_close(rollout.advantages, group_relative_advantages(rollout.credit.compared), rtol=0, atol=0)
    assert record.metrics["grpo/kl_in_reward"] > 0
    assert "grpo/kl" not in record.metrics
    plain = fitted(tmp_path, tiny_policy(), reference=None, beta=0.0)
    assert max(relative_difference(a, b) for a, b in zip(record.gradients, plain.gradients, strict=True)) > 1e-3


def test_equal_rewards_less_the_divergence_push_towards_the_reference(tmp_path):
    """Completions that the reference finds likelier than their peers get the larger advantages."""
    far, kept = reference_of(perturbed(tiny_policy())), []
    fitted(
        tmp_path, tiny_policy(), reference=far, reward=equal_rewards, kl_in="reward", beta=0.5,
        objective=recorded(OBJECTIVE, kept),
    )  # fmt: skip
    advantages = torch.cat([tokens.advantages for tokens, _, _ in kept])
    assert advantages.abs().max() > 0.1
    assert_close(advantages.sum(), torch.zeros((), dtype=advantages.dtype), rtol=0, atol=1e-9)


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_reference_that_follows_is_the_policy_again_after_its_steps(tmp_path, adapter):
    divergences = {}
    for every in (0, 2):
        policy = tiny_policy(adapter)
        reference = reference_of(policy, is_following=every > 0)
        record = fitted(tmp_path, policy, reference=reference, reference_every=every, max_steps=3)
        divergences[every] = [float(result.means["kl"]) for result in record.results]
    assert_close(divergences[2][:2], divergences[0][:2], rtol=1e-9, atol=1e-12)
    assert divergences[0][2] > 1e-6
    assert abs(divergences[2][2]) < 1e-12


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_a_checkpoint_brings_the_reference_back_that_had_followed(tmp_path, adapter):
    policy = tiny_policy(adapter)
    reference = reference_of(policy, is_following=True)
    record = fitted(tmp_path, policy, reference=reference, reference_every=2, max_steps=3)
    checkpoint = {}
    record.module.on_save_checkpoint(checkpoint)
    fresh = tiny_policy(adapter)
    resumed = reference_of(fresh, is_following=True)
    prompts_and_completions = group_of(record)
    assert not torch.equal(resumed.log_probs(prompts_and_completions), reference.log_probs(prompts_and_completions))
    resumed.load_state(checkpoint["reference"])
    assert torch.equal(resumed.log_probs(prompts_and_completions), reference.log_probs(prompts_and_completions))


def group_of(record):
    """Some completions for one of the run's prompts."""
    prompt = record.module.collector.encoder.prompt(samples(1)[0])
    return [PromptGroup(prompt, ([5, 6, 7], [8, 9]))]


def test_an_adapter_that_is_switched_off_cannot_follow_and_says_so():
    policy = tiny_policy("lora")
    with pytest.raises(NotImplementedError, match="cannot follow"):
        reference_of(policy).follow(policy)


@pytest.mark.medium
@pytest.mark.parametrize("tokens", [10_000, 150])
def test_the_entropy_floor_is_the_quantile_over_the_whole_step_however_it_is_split(tmp_path, tokens):
    kept = []
    fitted(tmp_path, tiny_policy(), top_entropy=0.3, tokens=tokens, objective=recorded(OBJECTIVE, kept))
    entropies = torch.cat([given.entropy[given.mask] for given, _, _ in kept])
    totals = {totals for _, totals, _ in kept}
    assert len(totals) == 1
    (found,) = totals
    assert found.entropy_floor == pytest.approx(entropy_floor(entropies, 0.3), rel=1e-9)
    assert found.top_tokens == pytest.approx(0.3 * len(entropies), abs=1)


@pytest.mark.medium
def test_with_a_top_entropy_mask_the_gradient_does_not_depend_on_the_split(tmp_path):
    whole, split = (
        fitted(tmp_path, tiny_policy(), top_entropy=0.3, tokens=tokens).gradients[0] for tokens in (10_000, 150)
    )
    assert relative_difference(split, whole) <= 1e-10


class RewardsThatComeLate:
    """Equal within every group at the first times of asking, then different for the second group alone."""

    def __init__(self, silent_rounds):
        self.silent_rounds, self.asked = silent_rounds, 0

    def __call__(self, _):
        self.asked += 1
        second = [0.5] * 3 if self.asked <= self.silent_rounds else [0.0, 1.0, 0.5]
        return table([[0.7] * 3, second])


@pytest.mark.medium
@pytest.mark.parametrize(("rounds", "resampled", "asked"), [(0, 0, 1), (1, 2, 2), (3, 4, 4)])
def test_groups_of_equal_rewards_are_sampled_anew_up_to_the_bound_and_counted(tmp_path, rounds, resampled, asked):
    reward = RewardsThatComeLate(silent_rounds=1)
    record = fitted(tmp_path, tiny_policy(), reward=reward, resample_rounds=rounds)
    assert reward.asked == asked
    assert record.metrics["grpo/resampled_groups"] == resampled  # both once, then the first alone
    assert (record.metrics["grpo/discarded_tokens"] > 0) == (rounds > 0)


def test_a_group_that_is_sampled_anew_replaces_the_old_one_everywhere(tmp_path, monkeypatch):
    sampled, given = [], []
    sample = NativeEngine.sample

    def kept(engine, policy, prompts, *rest):
        groups = sample(engine, policy, prompts, *rest)
        sampled.append([completion.token_ids for group in groups for completion in group])
        return groups

    monkeypatch.setattr(NativeEngine, "sample", kept)
    record = fitted(
        tmp_path, tiny_policy(), reward=RewardsThatComeLate(silent_rounds=1), resample_rounds=1,
        on_rollout=lambda rollout: given.append(rollout.groups),
    )  # fmt: skip
    assert [len(rows) for rows in sampled] == [6, 6]
    texts = [completion.text for group in given[0] for completion in group]
    decode = record.module.collector.encoder.encoder.decode
    assert texts == [decode(ids) for ids in sampled[1]]


def test_truncated_completions_leave_the_loss_and_its_normaliser_but_stay_in_the_groups_mean(tmp_path):
    kept = []
    objective = replace(OBJECTIVE, average=token_mean)
    record = fitted(tmp_path, tiny_policy(), filter_truncated=True, objective=recorded(objective, kept))
    tokens, totals, _ = kept[0]
    rows = tokens.mask.any(dim=1)
    assert 0 < record.metrics["grpo/filtered"] <= 6
    assert rows.sum() == 6 - record.metrics["grpo/filtered"]
    assert totals.rows == 6
    assert totals.tokens == tokens.mask.sum()  # one mask for numerator and denominator


@pytest.mark.medium
def test_out_of_memory_begins_the_step_again_in_smaller_passes_with_the_same_gradient(tmp_path, monkeypatch, caplog):
    expected = fitted(tmp_path, tiny_policy(), beta=0.0, reference=None, batch=4).gradients[0]
    calls = []

    def limited(policy, groups, **settings):
        calls.append(sum(group.length for group in groups))
        if calls[-1] > 300:
            raise torch.OutOfMemoryError("simulated")
        return token_log_probs(policy, groups, **settings)

    monkeypatch.setattr("pathvlm_r1.stages.grpo.token_log_probs", limited)
    record = fitted(tmp_path, tiny_policy(), beta=0.0, reference=None, tokens=1024, batch=4)
    assert calls[0] > 300
    assert record.module.budget.tokens == 256
    assert relative_difference(record.gradients[0], expected) <= 1e-10
    assert "out of memory: passes take 256 tokens from now on" in caplog.text


def test_memory_for_not_even_one_completion_ends_the_run_with_one_message(tmp_path, monkeypatch):
    def never(*_, **__):
        raise torch.OutOfMemoryError("simulated")

    monkeypatch.setattr("pathvlm_r1.stages.grpo.token_log_probs", never)
    with pytest.raises(TrainingError, match="out of memory with 256 tokens in a pass"):
        fitted(tmp_path, tiny_policy(), beta=0.0, reference=None, tokens=1024)


def test_entropy_is_told_by_quarter_of_the_completion(tmp_path):
    metrics = fitted(tmp_path, tiny_policy()).metrics
    quarters = [metrics[f"grpo/entropy/quarter_{quarter}"] for quarter in (1, 2, 3, 4)]
    assert min(quarters) <= metrics["grpo/entropy"] <= max(quarters)
    assert metrics["grpo/effective_sample_size"] == pytest.approx(1, abs=1e-6)
    assert metrics["grpo/ratio_min"] == pytest.approx(1, abs=1e-6)


def test_quarters_go_by_each_completions_own_length():
    mask = torch.tensor([[True] * 4, [True, True, False, False]])
    entropy = torch.tensor([[1.0, 2.0, 3.0, 4.0], [10.0, 20.0, 99.0, 99.0]])
    scored = type("Scored", (), {"entropy": entropy, "mask": mask})
    described = describe_entropy([scored])
    assert described["grpo/entropy/quarter_1"] == pytest.approx((1 + 10) / 2)
    assert described["grpo/entropy/quarter_2"] == pytest.approx(2)
    assert described["grpo/entropy/quarter_3"] == pytest.approx((3 + 20) / 2)
    assert described["grpo/entropy/quarter_4"] == pytest.approx(4)


@pytest.mark.medium
def test_an_entropy_bonus_reaches_the_weights(tmp_path):
    """With equal rewards and no divergence nothing else has a gradient."""
    silent = {"reward": equal_rewards, "beta": 0.0, "reference": None}
    (paid,) = fitted(tmp_path, tiny_policy(), objective=replace(OBJECTIVE, entropy_bonus=0.1), **silent).gradients
    (plain,) = fitted(tmp_path, tiny_policy(), **silent).gradients
    assert any(value.any() for value in paid.values())
    assert not any(value.any() for value in plain.values())


class AnotherEngine(NativeEngine):
    """Reports every log-prob 0.1 nats too high, as an engine of other kernels might, and says whose they are."""

    capabilities = NativeEngine(end_ids=[], rows_per_batch=1).capabilities - {"own_model"}

    def sample(self, *arguments):
        groups = super().sample(*arguments)
        return [[replace(one, log_probs=one.log_probs + 0.1) for one in group] for group in groups]


@pytest.mark.medium
def test_another_engines_completions_are_scored_by_the_trainer_and_weighed(tmp_path):
    weigh = partial(mismatch_weights, level="token", beyond="truncate", high=2.0)
    silent = {"beta": 0.0, "reference": None}
    record = fitted(
        tmp_path, tiny_policy(), engine=AnotherEngine, objective=replace(OBJECTIVE, mismatch=weigh), **silent
    )
    own = fitted(tmp_path, tiny_policy(), **silent)
    assert record.metrics["grpo/ratio"] == pytest.approx(1, abs=1e-9)  # old log-probs are the trainer's
    assert record.metrics["grpo/mismatch/weight"] == pytest.approx(math.exp(-0.1), rel=1e-6)
    assert record.metrics["grpo/mismatch/dropped"] == 0
    (gradient,), (expected,) = record.gradients, own.gradients
    weighed = {name: value * math.exp(-0.1) for name, value in expected.items()}
    assert relative_difference(gradient, weighed) < 1e-9
    assert "grpo/sampler_mismatch" not in record.metrics


@pytest.mark.medium
def test_without_a_correction_they_are_taken_as_if_the_trainer_had_sampled_them(tmp_path):
    record = fitted(tmp_path, tiny_policy(), engine=AnotherEngine, beta=0.0, reference=None)
    own = fitted(tmp_path, tiny_policy(), beta=0.0, reference=None)
    assert relative_difference(record.gradients[0], own.gradients[0]) < 1e-9
    assert "grpo/mismatch/weight" not in record.metrics


def test_a_divergence_in_reward_is_that_of_the_trainers_policy_whatever_another_engine_reports(tmp_path):
    record = fitted(tmp_path, tiny_policy(), engine=AnotherEngine, kl_in="reward", beta=0.5)
    assert record.metrics["grpo/kl_in_reward"] == pytest.approx(0, abs=1e-9)  # the reference is the policy still
