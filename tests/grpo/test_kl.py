import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats
from torch.testing import assert_close
from wrong_objectives import k3_with_its_sign_flipped

from pathvlm_r1.grpo import k3


def scalar(value):
    return torch.tensor(value, dtype=torch.float64, requires_grad=True)


def assert_its_mean_under_the_policy_is_the_divergence(estimator):
    logits = torch.randn(2, 50, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    policy, reference = logits.log_softmax(dim=-1)
    mean = (policy.exp() * estimator(policy, reference)).sum()
    assert_close(mean, (policy.exp() * (policy - reference)).sum(), rtol=1e-12, atol=1e-12)


def test_the_mean_of_k3_under_the_policy_is_the_divergence_from_the_reference():
    assert_its_mean_under_the_policy_is_the_divergence(k3)


def test_a_flipped_sign_is_caught():
    with pytest.raises(AssertionError):
        assert_its_mean_under_the_policy_is_the_divergence(k3_with_its_sign_flipped)


@settings(deadline=None, max_examples=100)
@given(log_prob=floats(-19, 0), reference=floats(-19, 0))
def test_k3_and_its_gradient_equal_the_formula_in_plain_python(log_prob, reference):
    current = scalar(log_prob)
    value = k3(current, scalar(reference))
    value.backward()
    d = reference - log_prob
    assert_close(value.item(), math.expm1(d) - d, rtol=1e-12, atol=1e-12)
    assert_close(current.grad.item(), -math.expm1(d), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_k3_is_never_negative_at_any_scale_and_zero_between_equal_policies(dtype):
    generator = torch.Generator().manual_seed(0)
    log_probs = -torch.rand(20_000, generator=generator, dtype=dtype)
    scale = 10 ** torch.empty(20_000, dtype=dtype).uniform_(-12, 2, generator=generator)
    assert k3(log_probs, log_probs + scale * torch.randn(20_000, generator=generator, dtype=dtype)).min() >= 0
    assert k3(log_probs, log_probs).count_nonzero() == 0


@pytest.mark.parametrize(("distance", "bound"), [(100.0, 20.0), (20.5, 20.0), (-100.0, -20.0), (-math.inf, -20.0)])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_beyond_twenty_k3_stays_finite_and_has_no_gradient(distance, bound, dtype):
    log_probs = torch.zeros(1, dtype=dtype, requires_grad=True)
    value = k3(log_probs, torch.full((1,), distance, dtype=dtype))
    value.sum().backward()
    assert_close(value.item(), math.expm1(bound) - bound, rtol=1e-6, atol=0)  # float32
    assert log_probs.grad.item() == 0


def test_the_reference_receives_no_gradient():
    log_prob, reference = scalar(-1.0), scalar(-2.0)
    k3(log_prob, reference).backward()
    assert log_prob.grad is not None
    assert reference.grad is None


def test_automatic_and_numerical_gradients_agree():
    generator = torch.Generator().manual_seed(0)
    log_probs, reference = torch.randn(2, 3, 4, generator=generator, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda values: k3(values, reference), log_probs.requires_grad_())


def test_different_shapes_are_refused_instead_of_broadcast():
    with pytest.raises(ValueError, match=r"log_probs is \[2, 3\] and reference \[3\]"):
        k3(torch.zeros(2, 3), torch.zeros(3))
