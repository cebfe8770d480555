"""Each surrogate and ratio by itself: values at points that tell one formula from another, and what they refuse."""

import math

import pytest
import torch
from torch.testing import assert_close

from pathvlm_r1.grpo import (
    cispo,
    clipped,
    response_ratio,
    sapo,
    sequence_ratio,
    sequence_token_ratio,
    token_ratio,
)

RATIOS = {f.__name__: f for f in (token_ratio, sequence_ratio, sequence_token_ratio, response_ratio)}
EPSILONS = {"epsilon_low": 0.2, "epsilon_high": 0.28}


def term_of(surrogate, ratio, advantage, **settings):
    """The loss and its derivative by the log-ratio."""
    log_ratio = torch.tensor([[math.log(ratio)]], dtype=torch.float64, requires_grad=True)
    term = surrogate(log_ratio, torch.full((1, 1), -2.0, dtype=torch.float64), torch.tensor([[advantage]]), **settings)
    slope = torch.autograd.grad(term.loss.sum(), log_ratio, allow_unused=True)[0] if term.loss.requires_grad else None
    return float(term.loss.detach()), 0.0 if slope is None else float(slope)


@pytest.mark.parametrize(
    ("ratio", "advantage", "loss", "slope"),
    [
        (1.1, 2.0, -2.2, -2.2),
        (1.5, 2.0, -2.56, 0.0),  # no more to gain above 1.28
        (0.5, 2.0, -1.0, -1.0),  # a loss is never clipped away
        (0.5, -2.0, 1.6, 0.0),  # no more to gain below 0.8
        (1.5, -2.0, 3.0, 3.0),
    ],
)
def test_the_clip_bounds_gains_and_never_losses(ratio, advantage, loss, slope):
    assert term_of(clipped, ratio, advantage, **EPSILONS) == pytest.approx((loss, slope), rel=1e-12)


def test_with_a_cap_a_loss_is_bounded_too():
    assert term_of(clipped, 5.0, -2.0, ratio_cap=3.0, **EPSILONS) == pytest.approx((6.0, 0.0))


def test_cispo_keeps_the_gradient_of_a_token_beyond_its_cap_and_takes_none_through_the_ratio():
    log_probs = torch.full((1, 1), -2.0, requires_grad=True)
    log_ratio = (log_probs + 5.0).clone()
    term = cispo(log_ratio, log_probs, torch.tensor([[2.0]]), ratio_cap=5.0)
    term.loss.sum().backward()
    assert_close(log_probs.grad, torch.tensor([[-10.0]]))
    assert term.is_clipped_high.all()


def test_the_gate_has_the_policy_gradient_at_ratio_1_and_fades_sooner_for_negative_advantages():
    for advantage in (1.0, -1.0):
        assert term_of(sapo, 1.0, advantage, tau_positive=1.0, tau_negative=1.05)[1] == pytest.approx(-advantage)
    up = term_of(sapo, 3.0, 1.0, tau_positive=1.0, tau_negative=2.0)[1]
    down = term_of(sapo, 3.0, -1.0, tau_positive=1.0, tau_negative=2.0)[1]
    assert abs(down) < abs(up) < 3.0


def test_ratios_of_one_completion_by_hand():
    log_probs = torch.tensor([[-1.0, -2.0, -9.0]], dtype=torch.float64)
    old = torch.tensor([[-1.5, -2.1, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, False]])
    expected = {
        "token_ratio": [0.5, 0.1, 0.0], "sequence_ratio": [0.3, 0.3, 0.0], "sequence_token_ratio": [0.3, 0.3, 0.0],
        "response_ratio": [0.6, 0.6, 0.0],
    }  # fmt: skip
    for name, values in expected.items():
        assert_close(RATIOS[name](log_probs, old, mask), torch.tensor([values], dtype=torch.float64))


@pytest.mark.parametrize("name", RATIOS)
@pytest.mark.parametrize("drift", [30.0, -30.0])
def test_beyond_twenty_a_ratio_is_bounded_and_has_no_gradient(name, drift):
    log_probs = torch.full((2, 3), drift, requires_grad=True)
    ratio = RATIOS[name](log_probs, torch.zeros(2, 3), torch.ones(2, 3, dtype=torch.bool))
    ratio.sum().backward()
    assert_close(ratio.detach(), torch.full((2, 3), math.copysign(20.0, drift)))
    assert log_probs.grad.count_nonzero() == 0


@pytest.mark.parametrize(
    ("surrogate", "settings", "message"),
    [
        (clipped, {"epsilon_low": -0.1, "epsilon_high": 0.2}, "epsilon_low is -0.1"),
        (clipped, {"epsilon_low": 1.1, "epsilon_high": -0.1}, "epsilon_low is 1.1.*epsilon_high is -0.1"),
        (clipped, {"epsilon_low": 0.2, "epsilon_high": 0.2, "ratio_cap": 1.1}, "ratio_cap is 1.1.*above 1"),
        (cispo, {"ratio_cap": 0.2}, "ratio_cap is 0.2"),
        (sapo, {"tau_positive": 0.0, "tau_negative": 1.0}, "tau_positive is 0.0"),
    ],
)
def test_a_setting_out_of_its_range_is_refused(surrogate, settings, message):
    with pytest.raises(ValueError, match=message):
        surrogate(torch.zeros(1, 1), torch.zeros(1, 1), torch.zeros(1, 1), **settings)
