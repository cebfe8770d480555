from functools import partial

import pytest
import torch
import wrong_objectives
from brute_force import MAX_COMPLETION_TOKENS, SETTINGS, batches, loss_and_gradient, random_batch
from hypothesis import given, settings
from hypothesis.strategies import integers
from torch.testing import assert_close

from pathvlm_r1.grpo import Normaliser, dr_grpo, grpo, token_mean_grpo, whole_step

OBJECTIVES = {
    "grpo": grpo,
    "dr_grpo": partial(dr_grpo, max_completion_tokens=MAX_COMPLETION_TOKENS),
    "token_mean_grpo": token_mean_grpo,
}
WEIGHTS = {
    "grpo": lambda size: 1 / (size.rows * max(size.length, 1)),
    "dr_grpo": lambda size: 1 / (size.rows * MAX_COMPLETION_TOKENS),
    "token_mean_grpo": lambda size: 1 / max(size.tokens, 1),
}
each_objective = pytest.mark.parametrize("objective", OBJECTIVES.values(), ids=OBJECTIVES)
FIXED = random_batch(seed=1, rows=6, tokens=7)  # tokens beyond either bound, and a row in which nothing counts
DIAGNOSTICS = ("ratio_mean", "ratio_max", "clip_fraction_low", "clip_fraction_high", "kl_mean")


def evaluated(objective, batch, **changes):
    """The detached result of one whole step, and the gradient of its loss."""
    batch = batch.learning()
    result = objective(*batch, **({"normaliser": Normaliser.of(batch.mask)} | SETTINGS | changes))
    result.loss.backward()
    return result.detached(), batch.log_probs.grad


def assert_equals_brute_force(objective, weight, batch):
    result, gradient = evaluated(objective, batch)
    loss, expected = loss_and_gradient(batch, weight)
    assert_close(result.loss.item(), loss, rtol=1e-10, atol=1e-12)
    assert_close(gradient, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def assert_same_however_split(objective, batch, micro_batch_rows, seed):
    whole, expected = evaluated(objective, batch)
    order = torch.randperm(len(batch.mask), generator=torch.Generator().manual_seed(seed))
    normaliser, learning, shares = Normaliser.of(batch.mask), batch.learning(), []
    for rows in order.split(micro_batch_rows):
        share = objective(*learning.only(rows), normaliser=normaliser, **SETTINGS)
        share.loss.backward()
        shares.append(share.detached())
    assert_close(learning.log_probs.grad, expected, rtol=1e-10, atol=1e-10)
    total = whole_step(shares)
    for name in ("loss", *DIAGNOSTICS):
        assert_close(getattr(total, name), getattr(whole, name), rtol=1e-10, atol=1e-10)


def assert_nothing_outside_the_mask_matters(objective, batch):
    expected, expected_gradient = evaluated(objective, batch)
    for rubbish in (float("nan"), float("inf"), -float("inf"), 1e30):
        filled = {name: getattr(batch, name).where(batch.mask, rubbish) for name in batch._fields[:3]}
        advantages = batch.advantages.where(batch.mask.any(dim=1), rubbish)  # of rows in which nothing counts
        result, gradient = evaluated(objective, batch._replace(advantages=advantages, **filled))
        assert torch.equal(gradient, expected_gradient)
        for name in ("loss", *DIAGNOSTICS):
            assert torch.equal(getattr(result, name), getattr(expected, name))


@pytest.mark.parametrize("name", OBJECTIVES)
@settings(deadline=None, max_examples=40)
@given(batch=batches)
def test_loss_and_gradient_equal_a_loop_in_plain_python(name, batch):
    assert_equals_brute_force(OBJECTIVES[name], WEIGHTS[name], batch)


@pytest.mark.parametrize(
    "wrong",
    [
        wrong_objectives.grpo_with_a_token_mean,
        wrong_objectives.grpo_with_advantages_one_row_off,
        wrong_objectives.grpo_with_its_kl_sign_flipped,
    ],
)
def test_another_average_pairing_or_sign_is_caught(wrong):
    with pytest.raises(AssertionError):
        assert_equals_brute_force(wrong, WEIGHTS["grpo"], FIXED)


@each_objective
@settings(deadline=None, max_examples=40)
@given(batch=batches, micro_batch_rows=integers(1, 6), seed=integers(0, 2**32 - 1))
def test_micro_batches_add_up_to_the_step_in_any_order_and_split(objective, batch, micro_batch_rows, seed):
    assert_same_however_split(objective, batch, micro_batch_rows, seed)


def test_a_micro_batch_that_takes_itself_for_the_step_is_caught():
    with pytest.raises(AssertionError):
        assert_same_however_split(wrong_objectives.grpo_with_the_micro_batch_as_the_step, FIXED, 2, seed=0)


@each_objective
@settings(deadline=None, max_examples=20)
@given(batch=batches)
def test_what_stands_outside_the_mask_changes_neither_loss_nor_gradient(objective, batch):
    assert_nothing_outside_the_mask_matters(objective, batch)


def test_a_mask_that_comes_after_the_exponential_is_caught():
    with pytest.raises(AssertionError):
        assert_nothing_outside_the_mask_matters(wrong_objectives.grpo_masked_after_the_exponential, FIXED)


@each_objective
def test_automatic_and_numerical_gradients_agree_away_from_the_kinks(objective):
    log_ratios = torch.tensor([-0.5, -0.1, 0.1, 0.5], dtype=torch.float64).repeat(6, 2)[:, :7]  # bounds: -.22 and .25
    batch = FIXED._replace(old_log_probs=FIXED.log_probs - log_ratios).learning()

    def loss(log_probs):
        return objective(log_probs, *batch[1:], normaliser=Normaliser.of(batch.mask), **SETTINGS).loss

    assert torch.autograd.gradcheck(loss, batch.log_probs)


@each_objective
@pytest.mark.parametrize("tokens", [0, 3])
def test_a_step_in_which_nothing_counts_has_loss_and_gradient_zero(objective, tokens):
    batch = random_batch(seed=0, rows=4, tokens=tokens)
    result, gradient = evaluated(objective, batch._replace(mask=torch.zeros_like(batch.mask)))
    assert gradient.count_nonzero() == 0
    assert [getattr(result, name).item() for name in ("loss", *DIAGNOSTICS)] == [0.0] * 6


def test_a_row_in_which_nothing_counts_still_counts_as_a_row_but_not_in_the_token_mean():
    empty = FIXED._replace(mask=FIXED.mask & (torch.arange(6) != 0)[:, None])
    rest = empty.only(torch.arange(1, 6))
    for name, factor in {"grpo": 5 / 6, "dr_grpo": 5 / 6, "token_mean_grpo": 1.0}.items():
        with_row, without = evaluated(OBJECTIVES[name], empty)[0], evaluated(OBJECTIVES[name], rest)[0]
        assert_close(with_row.loss, factor * without.loss, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("rows", "tokens"), [(2, 1), (2, 5), (6, 1)])
def test_completions_of_one_length_give_all_objectives_one_loss(rows, tokens):
    batch = random_batch(seed=0, rows=rows, tokens=tokens)
    batch = batch._replace(mask=torch.ones_like(batch.mask))
    expected, gradient = evaluated(grpo, batch)
    for other in (token_mean_grpo, partial(dr_grpo, max_completion_tokens=tokens)):
        result, other_gradient = evaluated(other, batch)
        assert_close(result.loss, expected.loss, rtol=1e-12, atol=1e-12)
        assert_close(other_gradient, gradient, rtol=1e-12, atol=1e-12)


@each_objective
def test_diagnostics_are_means_over_the_tokens_that_count(objective):
    log_ratio = (FIXED.log_probs - FIXED.old_log_probs)[FIXED.mask]
    d = (FIXED.reference_log_probs - FIXED.log_probs)[FIXED.mask]
    advantages = FIXED.advantages[:, None].expand_as(FIXED.mask)[FIXED.mask]
    low, high = (log_ratio.exp() < 0.8) & (advantages < 0), (log_ratio.exp() > 1.28) & (advantages > 0)
    result, _ = evaluated(objective, FIXED)
    assert_close(result.ratio_mean, log_ratio.exp().mean(), rtol=1e-12, atol=0)
    assert_close(result.ratio_max, log_ratio.exp().max(), rtol=1e-12, atol=0)
    assert_close(result.kl_mean, (d.exp() - d - 1).mean(), rtol=1e-12, atol=0)
    assert_close(result.clip_fraction_low, low.double().mean(), rtol=1e-12, atol=0)
    assert_close(result.clip_fraction_high, high.double().mean(), rtol=1e-12, atol=0)
    assert low.any()
    assert high.any()


@each_objective
def test_without_a_reference_no_divergence_is_reported(objective):
    result, _ = evaluated(objective, FIXED._replace(reference_log_probs=None), beta=0.0)
    assert result.kl_mean is None
    assert whole_step([result, result]).kl_mean is None


def test_only_the_loss_has_a_graph_and_detached_cuts_it():
    result = grpo(*FIXED.learning(), normaliser=Normaliser.of(FIXED.mask), **SETTINGS)
    assert result.loss.requires_grad
    assert not result.detached().loss.requires_grad
    assert not any(getattr(result, name).requires_grad for name in DIAGNOSTICS)


@each_objective
def test_more_rows_than_the_step_is_said_to_have_are_refused(objective):
    with pytest.raises(ValueError, match="log_probs has 6 rows and the whole optimiser step 2"):
        objective(*FIXED, normaliser=Normaliser(rows=2, tokens=100), **SETTINGS)


@pytest.mark.parametrize(("rows", "tokens"), [(0, 3), (-1, 3), (2, -1)])
def test_a_step_of_no_rows_or_of_negative_size_is_refused(rows, tokens):
    with pytest.raises(ValueError, match="at least one row"):
        Normaliser(rows=rows, tokens=tokens)


def test_a_constant_length_below_one_is_refused():
    with pytest.raises(ValueError, match="max_completion_tokens is 0"):
        dr_grpo(*FIXED, max_completion_tokens=0, normaliser=Normaliser.of(FIXED.mask), **SETTINGS)
