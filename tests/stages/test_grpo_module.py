import gc
import json
from dataclasses import replace

import pytest
import torch
from grpo_runs import OBJECTIVE, equal_rewards, fitted, table
from tiny import (
    LIGHTNING_WARNINGS,
    PEFT_WARNING,
    perturbed,
    relative_difference,
    tiny_policy,
)
from torch.testing import assert_close

from pathvlm_r1.assembly.policies import trainability
from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.model import reference_of
from pathvlm_r1.rollout import NativeEngine
from pathvlm_r1.stages import Credit, TrainingError
from pathvlm_r1.tracking.export import merged_state

pytestmark = [PEFT_WARNING, *LIGHTNING_WARNINGS]


def after_sft(adapter, dtype=torch.float64):
    """A policy whose weights are those of a trained adapter merged into the base, with a new adapter for `lora`."""
    trained = perturbed(tiny_policy("lora", dtype))
    fresh = tiny_policy("full", dtype).model
    fresh.load_state_dict(merged_state(trained.model))
    return tiny_policy(adapter, dtype, model=fresh)


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_at_the_first_step_the_ratio_is_1_and_the_divergence_from_the_reference_0(tmp_path, adapter):
    record = fitted(tmp_path, after_sft(adapter))
    assert record.metrics["grpo/kl_first"] == pytest.approx(0, abs=1e-6)
    assert record.metrics["grpo/ratio"] == pytest.approx(1, abs=1e-6)
    assert record.metrics["grpo/sampler_mismatch"] < 1e-6
    assert record.metrics["grpo/clip_fraction_low"] == record.metrics["grpo/clip_fraction_high"] == 0


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_after_sft_the_divergence_from_the_bare_base_would_not_be_0(tmp_path, adapter):
    """The wrong version: the reference is the base model, not the policy at step 0."""
    bare = reference_of(tiny_policy("full"))
    record = fitted(tmp_path, after_sft(adapter), reference=bare)
    assert record.metrics["grpo/kl_first"] > 1e-2


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_the_divergence_grows_from_0_once_the_policy_has_moved(tmp_path, adapter):
    record = fitted(tmp_path, tiny_policy(adapter), max_steps=2)
    first, second = (float(result.means["kl"]) for result in record.results)
    assert abs(first) < 1e-6
    assert second > 1e-5


def test_equal_rewards_give_a_gradient_of_exactly_zero(tmp_path):
    (gradient,) = fitted(tmp_path, tiny_policy(), reward=equal_rewards, beta=0.0, reference=None).gradients
    assert gradient
    assert not any(value.any() for value in gradient.values())


def test_unequal_rewards_give_a_gradient_in_every_layer(tmp_path):
    (gradient,) = fitted(tmp_path, tiny_policy()).gradients
    assert all(value.any() for name, value in gradient.items() if "bias" not in name)


def test_with_beta_0_no_reference_is_run(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("pathvlm_r1.model.reference.token_log_probs", lambda *_: calls.append(1))
    record = fitted(tmp_path, tiny_policy(), beta=0.0, reference=None, max_steps=2)
    assert not calls
    assert "grpo/kl" not in record.metrics


@pytest.mark.medium
@pytest.mark.parametrize(("max_steps", "rollouts"), [(4, 1), (3, 1), (6, 2), (8, 2)])
def test_two_iterations_of_two_minibatches_are_four_optimiser_steps_and_max_steps_ends_inside(
    tmp_path, max_steps, rollouts
):
    seen = []
    record = fitted(
        tmp_path, tiny_policy(), num_iterations=2, minibatches=2, max_steps=max_steps,
        on_rollout=seen.append,
    )  # fmt: skip
    assert record.trainer.global_step == max_steps
    assert len(record.results) == max_steps
    assert len(seen) == rollouts
    assert record.trainer.datamodule.batches_done == rollouts
    assert record.module.lr_schedulers().last_epoch == max_steps


def test_only_the_first_step_on_a_rollout_has_ratio_1(tmp_path):
    results = fitted(tmp_path, tiny_policy(), num_iterations=2, max_steps=2).results
    assert float(results[0].largest["ratio_max"]) == pytest.approx(1, abs=1e-9)
    assert float(results[1].largest["ratio_max"]) > 1.001


@pytest.mark.medium
def test_the_gradient_does_not_depend_on_the_size_of_micro_batches(tmp_path):
    steps = {
        tokens: fitted(tmp_path, after_sft("lora"), tokens=tokens, max_steps=3, num_iterations=3, batch=3)
        for tokens in (1, 150, 400, 10_000)  # a completion each, part of a group, a group or two, all
    }
    whole = steps.pop(10_000)
    for record in steps.values():
        for ours, theirs in zip(record.gradients, whole.gradients, strict=True):
            assert relative_difference(ours, theirs) <= 1e-10
        for ours, theirs in zip(record.results, whole.results, strict=True):
            assert_close(ours.loss, theirs.loss, rtol=1e-9, atol=1e-12)
            assert_close(dict(ours.means), dict(theirs.means), rtol=1e-9, atol=1e-12)
            assert_close(dict(ours.largest), dict(theirs.largest), rtol=1e-9, atol=0)


@pytest.mark.medium
@pytest.mark.parametrize("steps", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_memory_does_not_grow_with_steps(tmp_path, steps):
    measured = {}

    def measure(rollout):
        if (step := rollout.step) in (
            8,
            steps,
        ):  # the 12 prompts, whose tokens are kept, are known after 6 rollouts of 2
            gc.collect()
            objects = gc.get_objects()
            tensors = [item for item in objects if issubclass(type(item), torch.Tensor)]
            measured[step] = len(objects), len(tensors), sum(tensor.nbytes for tensor in tensors)

    policy = tiny_policy("lora", torch.float32)
    fitted(tmp_path, policy, max_steps=steps, on_rollout=measure, is_recorded=False)
    grown = [after - before for after, before in zip(measured[steps], measured[8], strict=True)]
    assert grown[0] <= 500  # a rollout that is kept has some 50 objects, of which 12 steps would leave 600
    assert grown[1] <= 20
    assert grown[2] <= 20_000  # one graph that is kept has megabytes


@pytest.mark.medium
def test_shuffled_rewards_are_a_permutation_over_all_completions_and_differ_from_step_to_step(tmp_path):
    record = fitted(tmp_path, tiny_policy(), shuffle_rewards=True)
    rewards = torch.arange(24, dtype=torch.float64).view(4, 6)
    first, second = (Credit(rewards, 0.0, order=record.module.order(24)).compared for _ in range(2))
    for dealt in (first, second):
        assert dealt.shape == rewards.shape
        assert sorted(dealt.flatten().tolist()) == rewards.flatten().tolist()
    assert not torch.equal(first, second)
    assert not torch.equal(first.sort(dim=-1).values, rewards)  # dealt out over groups, not within them
    assert fitted(tmp_path, tiny_policy()).module.order(24) is None


def test_a_loss_that_is_not_finite_stops_the_run_with_its_batch_in_a_file_and_the_weights_as_they_were(tmp_path):
    steps = []

    def broken(tokens, totals, *, beta):
        steps.append(1)
        result = OBJECTIVE(tokens, totals, beta=beta)
        return replace(result, loss=result.loss * (float("nan") if len(steps) == 2 else 1.0))

    broken.entropy_bonus = 0.0

    policy = tiny_policy(dtype=torch.float32)
    weights = []
    with pytest.raises(TrainingError, match="optimiser step 1 is nan") as caught:
        fitted(
            tmp_path, policy, objective=broken, max_steps=3,
            on_rollout=lambda *_: weights.append([p.detach().clone() for p in policy.parameters()]),
        )  # fmt: skip
    path = tmp_path / "non_finite_step_1.json"
    assert str(path) in str(caught.value)
    record = json.loads(path.read_text())
    assert record["step"] == 1
    assert len(record["completions"]) == len(record["advantages"]) == 6
    assert "Which" in record["prompts"][0]
    assert all(torch.equal(p, kept) for p, kept in zip(policy.parameters(), weights[-1], strict=True))


@pytest.mark.medium
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_sampler_of_other_weights_is_refused_before_the_first_update(tmp_path, monkeypatch, dtype):
    stale, sample = perturbed(tiny_policy(dtype=torch.float32)).to(dtype), NativeEngine.sample
    monkeypatch.setattr(NativeEngine, "sample", lambda engine, _policy, *rest: sample(engine, stale, *rest))
    with pytest.raises(TrainingError, match="does not sample from the policy that is trained"):
        fitted(tmp_path, tiny_policy(dtype=dtype))


def test_the_policy_trains_in_training_mode_although_weights_are_loaded_in_evaluation_mode(tmp_path):
    """Else gradient checkpointing would be off without a word."""
    modes = []
    policy = tiny_policy(dtype=torch.float32).eval()
    policy.core.model.language_model.layers[0].register_forward_pre_hook(lambda layer, _: modes.append(layer.training))
    fitted(tmp_path, policy, beta=0.0, reference=None)
    assert modes[-1]
    assert not modes[0]  # sampling


@pytest.mark.medium
@pytest.mark.parametrize("precision", ["bf16-true", "64-true"])
def test_reduced_and_double_precision_keep_log_probs_and_advantages_exact(tmp_path, precision):
    dtype = {"bf16-true": torch.bfloat16, "64-true": torch.float64}[precision]
    seen = []

    def recorded(tokens, totals, *, beta):
        log_probs = (tokens.log_probs, tokens.old_log_probs, tokens.reference_log_probs)
        seen.append((*(values.dtype for values in log_probs), tokens.advantages))
        return OBJECTIVE(tokens, totals, beta=beta)

    recorded.entropy_bonus = 0.0
    fitted(tmp_path, tiny_policy("lora", dtype), objective=recorded, reward=lambda _: table([[0.1, 0.7, 2.3]] * 2))
    *dtypes, advantages = seen[0]
    expected = torch.float64 if dtype == torch.float64 else torch.float32
    assert dtypes == [expected] * 3
    exact = group_relative_advantages(torch.tensor([[0.1, 0.7, 2.3]] * 2, dtype=torch.float64)).flatten().sort().values
    assert_close(advantages.sort().values, exact.to(expected), rtol=1e-7, atol=0)  # passes go by length


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "vision", "lora"])
def test_only_what_is_said_to_train_changes_and_all_of_it_does(tmp_path, adapter):
    policy = tiny_policy(adapter, torch.float32)
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    trains = {name for name, p in policy.named_parameters() if p.requires_grad}
    fitted(tmp_path, policy, max_steps=2)
    changed = {name for name, p in policy.named_parameters() if not torch.equal(p, before[name])}
    assert changed == trains
    assert any("visual" in name for name in changed) == (adapter == "vision")
    sizes = {"vision": 0, "adapter": 0, "language model": 0}
    for name in changed:
        block = "vision" if "visual" in name else "adapter" if "lora_" in name else "language model"
        sizes[block] += before[name].numel()
    told = trainability(policy)
    for block, size in sizes.items():
        assert f"  {block}: {size:,} of " in told or (block == "adapter" and adapter != "lora")


@pytest.mark.medium
def test_the_same_seed_gives_the_same_run(tmp_path):
    first, again = (fitted(tmp_path, tiny_policy("lora"), max_steps=2).gradients for _ in range(2))
    assert all(torch.equal(a[name], b[name]) for a, b in zip(first, again, strict=True) for name in a)
