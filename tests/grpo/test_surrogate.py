import pytest
import torch
from brute_force import SETTINGS, batches, random_batch, token_loss
from hypothesis import given, settings
from hypothesis.strategies import floats
from torch.testing import assert_close

from pathvlm_r1.grpo.surrogate import CountedTokens, clipped_surrogate


def terms(batch, **changes):
    return clipped_surrogate(CountedTokens.of(*batch), **(SETTINGS | changes))


def gradient(batch, **changes):
    batch = batch.learning()
    terms(batch, **changes).loss.sum().backward()
    return batch.log_probs.grad


@pytest.mark.parametrize("advantage", [-1.5, 0.0, 0.7])
@pytest.mark.parametrize("log_ratio", [-0.5, -0.1, 0.0, 0.1, 0.5])
def test_every_side_of_the_clip_equals_plain_python(advantage, log_ratio):
    one = torch.ones(1, 1, dtype=torch.float64)
    batch = (-one, -one - log_ratio, -1.2 * one, advantage * one[0], one.bool())
    expected, _ = token_loss(-1.0, -1.0 - log_ratio, -1.2, advantage)
    result = terms(batch)
    assert_close(result.loss.item(), expected, rtol=1e-12, atol=1e-12)
    assert result.is_clipped_low.item() == (log_ratio == -0.5 and advantage < 0)
    assert result.is_clipped_high.item() == (log_ratio == 0.5 and advantage > 0)


@settings(deadline=None, max_examples=30)
@given(batch=batches, epsilon_low=floats(0, 1), epsilon_high=floats(0, 3))
def test_at_ratio_one_the_clip_does_nothing(batch, epsilon_low, epsilon_high):
    on_policy = batch._replace(old_log_probs=batch.log_probs)
    clipped = {"epsilon_low": epsilon_low, "epsilon_high": epsilon_high}
    unclipped = {"epsilon_low": 1.0, "epsilon_high": float("inf")}
    assert torch.equal(terms(on_policy, **clipped).loss, terms(on_policy, **unclipped).loss)
    assert torch.equal(gradient(on_policy, **clipped), gradient(on_policy, **unclipped))
    assert not (terms(on_policy, **clipped).is_clipped_low | terms(on_policy, **clipped).is_clipped_high).any()


@settings(deadline=None, max_examples=30)
@given(batch=batches)
def test_a_clipped_token_has_no_gradient_but_that_of_its_kl(batch):
    result = terms(batch)
    is_clipped = result.is_clipped_low | result.is_clipped_high
    assert gradient(batch, beta=0.0)[is_clipped].count_nonzero() == 0
    counts_and_moves = batch.mask & ~is_clipped & (batch.advantages[:, None] != 0)
    assert gradient(batch, beta=0.0)[counts_and_moves].count_nonzero() == counts_and_moves.sum()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [-1, 1])
def test_log_prob_differences_of_a_hundred_stay_finite_and_have_no_gradient(dtype, sign):
    batch = random_batch(seed=1, rows=4, tokens=5)
    far = batch._replace(old_log_probs=batch.log_probs - sign * 100, reference_log_probs=batch.log_probs + sign * 100)
    far = far._replace(**{name: getattr(far, name).to(dtype) for name in far._fields if name != "mask"})
    assert terms(far).loss.isfinite().all()
    assert_close(terms(far).ratio[far.mask].log().mul(sign), torch.full_like(far.log_probs, 20.0)[far.mask])
    assert gradient(far).count_nonzero() == 0


def test_a_log_prob_of_minus_infinity_is_a_bounded_ratio():
    batch = random_batch(seed=1, rows=4, tokens=5)
    impossible = batch._replace(log_probs=torch.full_like(batch.log_probs, float("-inf")))
    assert terms(impossible).loss.isfinite().all()
    assert gradient(impossible).count_nonzero() == 0


def test_nan_where_a_token_counts_is_not_hidden():
    batch = random_batch(seed=1, rows=4, tokens=5)
    batch = batch._replace(log_probs=torch.full_like(batch.log_probs, float("nan")))
    assert terms(batch).loss[batch.mask].isnan().all()


def test_without_a_reference_the_loss_is_that_of_beta_zero():
    batch = random_batch(seed=2, rows=4, tokens=5)
    alone, beside = terms(batch._replace(reference_log_probs=None), beta=0.0), terms(batch, beta=0.0)
    assert torch.equal(alone.loss, beside.loss)
    assert alone.kl is None
    assert beside.kl[batch.mask].min() > 0


def test_only_the_learning_log_probs_receive_a_gradient():
    *floating, mask = random_batch(seed=3, rows=3, tokens=4)
    leaves = [tensor.clone().requires_grad_() for tensor in floating]
    terms((*leaves, mask)).loss.sum().backward()
    assert [leaf.grad is not None for leaf in leaves] == [True, False, False, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"epsilon_low": -0.1}, "epsilon_low is -0.1"),
        ({"epsilon_low": 1.1}, "epsilon_low is 1.1"),
        ({"epsilon_high": -0.1, "beta": -1.0}, r"epsilon_high is -0.1.*beta is -1.0"),
        ({"beta": float("nan")}, "beta is nan"),
        ({"beta": float("inf")}, "beta is inf"),
    ],
)
def test_settings_out_of_range_are_refused(change, message):
    with pytest.raises(ValueError, match=message):
        terms(random_batch(seed=0, rows=2, tokens=3), **change)


def test_a_kl_penalty_without_a_reference_is_refused():
    with pytest.raises(ValueError, match=r"reference_log_probs is None and beta is 0\.04"):
        terms(random_batch(seed=0, rows=2, tokens=3)._replace(reference_log_probs=None))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"log_probs": torch.zeros(2)}, r"log_probs is \[2\]: pass \[N, C\]"),
        ({"log_probs": torch.zeros(2, 3, dtype=torch.bfloat16)}, "log_probs is torch.bfloat16"),
        ({"old_log_probs": torch.zeros(3)}, r"old_log_probs is \[3\]"),
        ({"reference_log_probs": torch.zeros(1, 3)}, r"reference_log_probs is \[1, 3\]"),
        ({"advantages": torch.zeros(2, 1)}, r"advantages is \[2, 1\].*must be \[2\]"),
        ({"advantages": torch.zeros(3), "mask": torch.ones(2, 3)}, "advantages is .*mask is torch.float32"),
    ],
)
def test_tensors_that_do_not_fit_are_refused_with_every_fault(change, message):
    with pytest.raises(ValueError, match=message):
        terms(random_batch(seed=0, rows=2, tokens=3)._replace(**change))
