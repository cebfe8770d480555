"""Every objective of `conf/objective/` against a loop in plain Python, and the laws that all of them keep."""

from dataclasses import replace
from functools import partial

import pytest
import torch
import wrong_objectives
from brute_force import BETA, TENSORS, batches, evaluated, learning, loss_and_gradient, only, random_tokens
from hypothesis import given, settings
from hypothesis.strategies import floats, integers
from shipped import NAMES, SHIPPED, shipped
from torch.testing import assert_close

from pathvlm_r1.grpo import Tokens, Totals, entropy_floor, k1, k2, mismatch_weights, whole_step

each_name = pytest.mark.parametrize("name", NAMES)
FIXED = random_tokens(seed=1, rows=6, tokens=7)  # tokens beyond either bound, and a row in which nothing counts
SPLITTABLE = [name for name in NAMES if name != "bnpo"]
GRPO = SHIPPED["grpo"][0]


def assert_equals_brute_force(objective, parts, batch):
    result, gradient = evaluated(objective, batch)
    loss, expected = loss_and_gradient(parts, batch)
    assert_close(result.loss.item(), loss, rtol=1e-10, atol=1e-12)
    assert_close(gradient, torch.tensor(expected, dtype=torch.float64), rtol=1e-10, atol=1e-12)


def assert_same_however_split(objective, batch, micro_batch_rows, seed, totals=None):
    totals = totals or Totals.of(batch.mask)
    whole, expected = evaluated(objective, batch, totals=totals)
    order = torch.randperm(len(batch.mask), generator=torch.Generator().manual_seed(seed))
    learned, shares = learning(batch), []
    for rows in order.split(micro_batch_rows):
        share = objective(only(learned, rows), totals, beta=BETA)
        share.loss.backward()
        shares.append(share.detached())
    assert_close(learned.log_probs.grad, expected, rtol=1e-10, atol=1e-10)
    total = whole_step(shares)
    assert_close(total.loss, whole.loss, rtol=1e-10, atol=1e-10)
    for kind in ("means", "largest", "smallest"):
        assert_close(dict(getattr(total, kind)), dict(getattr(whole, kind)), rtol=1e-10, atol=1e-10)


def assert_nothing_outside_the_mask_matters(objective, batch):
    expected, expected_gradient = evaluated(objective, batch)
    for rubbish in (float("nan"), float("inf"), -float("inf"), 1e30):
        filled = {name: getattr(batch, name).where(batch.mask, rubbish) for name in TENSORS}
        advantages = batch.advantages.where(batch.mask.any(dim=1), rubbish)  # of rows in which nothing counts
        result, gradient = evaluated(objective, replace(batch, advantages=advantages, **filled))
        assert torch.equal(gradient, expected_gradient)
        assert torch.equal(result.loss, expected.loss)
        assert all(torch.equal(result.means[name], expected.means[name]) for name in expected.means)


@pytest.mark.medium
@each_name
@settings(deadline=None, max_examples=12)
@given(batch=batches)
def test_loss_and_gradient_equal_a_loop_in_plain_python(name, batch):
    assert_equals_brute_force(*SHIPPED[name], batch)


@pytest.mark.parametrize("kl", [k1, k2])
@settings(deadline=None, max_examples=10)
@given(batch=batches)
def test_the_other_estimators_enter_the_loss_likewise(kl, batch):
    objective, parts = SHIPPED["grpo"]
    assert_equals_brute_force(replace(objective, kl=kl), parts._replace(kl=kl.__name__), batch)


@pytest.mark.medium
@settings(deadline=None, max_examples=12)
@given(batch=batches)
def test_the_two_sided_clip_equals_a_loop_in_plain_python(batch):
    assert_equals_brute_force(*shipped("grpo", ratio_cap=1.5), batch)


def test_the_two_sided_clip_bounds_what_a_negative_advantage_costs():
    far = Tokens(
        log_probs=torch.full((1, 1), -1.0), old_log_probs=torch.full((1, 1), -4.0), advantages=torch.tensor([-1.0]),
        mask=torch.ones(1, 1, dtype=torch.bool),
    )  # fmt: skip
    bounded, _ = evaluated(shipped("grpo", ratio_cap=3.0)[0], replace(far, entropy=torch.zeros(1, 1)), beta=0.0)
    unbounded, _ = evaluated(GRPO, replace(far, entropy=torch.zeros(1, 1)), beta=0.0)
    assert bounded.loss == 3.0
    assert unbounded.loss > 20


@pytest.mark.parametrize(
    "wrong",
    [
        wrong_objectives.with_a_token_mean,
        wrong_objectives.with_advantages_one_row_off,
        wrong_objectives.with_its_kl_sign_flipped,
    ],
)
def test_another_average_pairing_or_sign_is_caught(wrong):
    with pytest.raises(AssertionError):
        assert_equals_brute_force(wrong, SHIPPED["grpo"][1], FIXED)


@pytest.mark.medium
@pytest.mark.parametrize("name", SPLITTABLE)
@settings(deadline=None, max_examples=10)
@given(batch=batches, micro_batch_rows=integers(1, 6), seed=integers(0, 2**32 - 1))
def test_micro_batches_add_up_to_the_step_in_any_order_and_split(name, batch, micro_batch_rows, seed):
    assert_same_however_split(SHIPPED[name][0], batch, micro_batch_rows, seed)


@settings(deadline=None, max_examples=10)
@given(batch=batches, micro_batch_rows=integers(1, 6), share=floats(0.1, 1))
def test_so_they_do_with_a_top_entropy_mask_and_an_entropy_bonus(batch, micro_batch_rows, share):
    entropies = batch.entropy[batch.mask]
    floor = entropy_floor(entropies, share)
    totals = replace(Totals.of(batch.mask), entropy_floor=floor, top_tokens=int((entropies >= floor).sum()))
    assert_same_however_split(replace(GRPO, entropy_bonus=0.1), batch, micro_batch_rows, seed=0, totals=totals)


def test_bnpo_depends_on_how_a_step_is_split_and_says_so():
    with pytest.raises(AssertionError):
        assert_same_however_split(SHIPPED["bnpo"][0], FIXED, 2, seed=0)
    assert "depends on how the step is split" in SHIPPED["bnpo"][0].average.func.__doc__


def test_a_micro_batch_that_takes_itself_for_the_step_is_caught():
    with pytest.raises(AssertionError):
        assert_same_however_split(wrong_objectives.with_the_micro_batch_as_the_step, FIXED, 2, seed=0)


@pytest.mark.medium
@each_name
@settings(deadline=None, max_examples=8)
@given(batch=batches)
def test_what_stands_outside_the_mask_changes_neither_loss_nor_gradient(name, batch):
    assert_nothing_outside_the_mask_matters(SHIPPED[name][0], batch)


def test_a_mask_that_comes_after_the_exponential_is_caught():
    with pytest.raises(AssertionError):
        assert_nothing_outside_the_mask_matters(wrong_objectives.masked_after_the_exponential, FIXED)


@pytest.mark.medium
@pytest.mark.parametrize("name", [name for name in NAMES if name not in ("cispo", "gspo_token")])  # detached weights
def test_automatic_and_numerical_gradients_agree_away_from_the_kinks(name):
    log_ratios = torch.tensor([-0.5, -0.1, 0.1, 0.5], dtype=torch.float64).repeat(6, 2)[:, :7]  # bounds: -.22 and .25
    batch = learning(replace(FIXED, old_log_probs=FIXED.log_probs - log_ratios))
    totals = Totals.of(batch.mask)

    def loss(log_probs, entropy):
        objective = replace(SHIPPED[name][0], entropy_bonus=0.3)
        return objective(replace(batch, log_probs=log_probs, entropy=entropy), totals, beta=BETA).loss

    assert torch.autograd.gradcheck(loss, (batch.log_probs, batch.entropy))


def test_a_row_in_which_nothing_counts_still_counts_as_a_row_but_not_in_the_token_mean():
    empty = replace(FIXED, mask=FIXED.mask & (torch.arange(6) != 0)[:, None])
    rest = only(empty, torch.arange(1, 6))
    for name, factor in {"grpo": 5 / 6, "dr_grpo": 5 / 6, "dapo": 1.0, "gspo": 5 / 6}.items():
        with_row, without = evaluated(SHIPPED[name][0], empty)[0], evaluated(SHIPPED[name][0], rest)[0]
        assert_close(with_row.loss, factor * without.loss, rtol=1e-12, atol=1e-12)


def test_top_entropy_takes_the_policy_term_of_other_tokens_and_leaves_normaliser_and_divergence():
    entropies = FIXED.entropy[FIXED.mask]
    floor = entropy_floor(entropies, 0.4)
    totals = replace(Totals.of(FIXED.mask), entropy_floor=floor, top_tokens=int((entropies >= floor).sum()))
    _, gradient = evaluated(GRPO, FIXED, totals=totals, beta=0.0)
    below = FIXED.mask & (FIXED.entropy < floor)
    assert below.any()
    assert gradient[below].count_nonzero() == 0
    _, whole = evaluated(GRPO, FIXED, beta=0.0)
    assert torch.equal(gradient[~below], whole[~below])  # the same denominator
    _, charged = evaluated(GRPO, FIXED, totals=totals)
    assert charged[below].all()


def test_the_entropy_bonus_is_taken_off_and_pushes_every_token_alike():
    batch = learning(FIXED)
    plain = GRPO(batch, Totals.of(batch.mask), beta=BETA).loss
    paid = replace(GRPO, entropy_bonus=0.5)(batch, Totals.of(batch.mask), beta=BETA).loss
    assert_close(plain - paid, 0.5 * batch.entropy[batch.mask].mean())
    paid.backward()
    assert_close(batch.entropy.grad, -0.5 * batch.mask.double() / batch.mask.sum())


def test_mismatch_weights_scale_the_policy_term_alone():
    sampler = FIXED.old_log_probs + 0.1
    weigh = partial(mismatch_weights, level="token", beyond="truncate", high=2.0)
    objective = replace(GRPO, mismatch=weigh)
    result, gradient = evaluated(objective, replace(FIXED, sampler_log_probs=sampler), beta=0.0)
    _, plain = evaluated(GRPO, FIXED, beta=0.0)
    assert_close(gradient, plain * torch.tensor(-0.1, dtype=torch.float64).exp(), rtol=1e-12, atol=0)
    assert_close(result.means["mismatch/weight"].item(), float(torch.tensor(-0.1).exp()), rtol=1e-6, atol=0)
    _, charged = evaluated(objective, replace(FIXED, sampler_log_probs=sampler))
    _, plainly_charged = evaluated(GRPO, FIXED)
    assert_close(charged - gradient, plainly_charged - plain, rtol=1e-9, atol=1e-12)  # the divergence is not weighed
