"""Laws that every objective of `conf/objective/` keeps, what it reports, and what it refuses."""

from dataclasses import replace
from functools import partial

import pytest
import torch
from brute_force import BETA, TENSORS, Parts, batches, evaluated, learning, random_tokens
from hypothesis import given, settings
from shipped import NAMES, SHIPPED, shipped
from torch.testing import assert_close

from pathvlm_r1.grpo import Objective, Tokens, Totals

each_name = pytest.mark.parametrize("name", NAMES)
FIXED = random_tokens(seed=1, rows=6, tokens=7)  # tokens beyond either bound, and a row in which nothing counts
GRPO = SHIPPED["grpo"][0]


@pytest.mark.medium
@each_name
@settings(deadline=None, max_examples=8)
@given(batch=batches)
def test_at_ratio_1_the_clip_does_nothing(name, batch):
    on_policy = replace(batch, old_log_probs=batch.log_probs)
    result, gradient = evaluated(SHIPPED[name][0], on_policy, beta=0.0)
    wide = {"sapo": {}, "cispo": {"ratio_cap": 1e6}}.get(name, {"epsilon_low": 1.0, "epsilon_high": 1e6})
    _, expected = evaluated(shipped_once(name, **wide), on_policy, beta=0.0)
    assert_close(gradient, expected, rtol=1e-12, atol=1e-14)
    assert result.means["clip_fraction_low"] == result.means["clip_fraction_high"] == 0


_WIDE: dict[str, Objective] = {}


def shipped_once(name, **wide):
    if name not in _WIDE:
        _WIDE[name] = shipped(name, **wide)[0]
    return _WIDE[name]


def test_on_policy_every_objective_with_a_row_mean_has_one_gradient_but_the_response_ratios():
    on_policy = replace(FIXED, old_log_probs=FIXED.log_probs)
    _, expected = evaluated(GRPO, on_policy, beta=0.0)
    for name in ("gspo", "gspo_token", "sapo", "gdpo"):
        assert_close(evaluated(SHIPPED[name][0], on_policy, beta=0.0)[1], expected, rtol=1e-10, atol=1e-14)
    lengths = FIXED.mask.sum(dim=1, keepdim=True)
    _, of_responses = evaluated(SHIPPED["paper"][0], on_policy, beta=0.0)
    assert_close(of_responses, expected * lengths, rtol=1e-10, atol=1e-14)  # a response moves as one, however long


@each_name
@pytest.mark.parametrize("tokens", [0, 3])
def test_a_step_in_which_nothing_counts_has_loss_and_gradient_zero(name, tokens):
    batch = random_tokens(seed=0, rows=4, tokens=tokens)
    result, gradient = evaluated(SHIPPED[name][0], replace(batch, mask=torch.zeros_like(batch.mask)))
    assert gradient.count_nonzero() == 0
    assert result.loss == 0
    assert not any(result.means.values())


@each_name
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("sign", [-1, 1])
@pytest.mark.parametrize("tokens", [1, 5])
def test_log_prob_differences_of_a_hundred_stay_finite(name, dtype, sign, tokens):
    batch = random_tokens(seed=1, rows=2, tokens=tokens)
    far = {
        "log_probs": batch.log_probs, "old_log_probs": batch.log_probs - sign * 100,
        "reference_log_probs": batch.log_probs + sign * 100, "advantages": batch.advantages, "entropy": batch.entropy,
    }  # fmt: skip
    result, gradient = evaluated(SHIPPED[name][0], Tokens(mask=batch.mask, **{k: v.to(dtype) for k, v in far.items()}))
    assert result.loss.isfinite()
    assert gradient.isfinite().all()
    if name != "cispo":  # which never drops a gradient
        assert gradient.count_nonzero() == 0


@each_name
def test_a_log_prob_of_minus_infinity_is_a_bounded_ratio(name):
    impossible = replace(FIXED, log_probs=torch.full_like(FIXED.log_probs, -40.0))
    result, gradient = evaluated(SHIPPED[name][0], impossible)
    assert result.loss.isfinite()
    assert gradient.isfinite().all()


def test_nan_where_a_token_counts_is_not_hidden():
    result, _ = evaluated(GRPO, replace(FIXED, log_probs=torch.full_like(FIXED.log_probs, float("nan"))))
    assert result.loss.isnan()


def test_diagnostics_are_means_and_extremes_over_the_tokens_that_count():
    log_ratio = (FIXED.log_probs - FIXED.old_log_probs)[FIXED.mask]
    d = (FIXED.reference_log_probs - FIXED.log_probs)[FIXED.mask]
    advantages = FIXED.advantages[:, None].expand_as(FIXED.mask)[FIXED.mask]
    ratio = log_ratio.exp()
    result, _ = evaluated(GRPO, FIXED)
    expected = {
        "ratio": ratio.mean(), "ratio_square": ratio.square().mean(), "kl": (d.exp() - d - 1).mean(),
        "clip_fraction_low": ((ratio < 0.8) & (advantages < 0)).double().mean(),
        "clip_fraction_high": ((ratio > 1.2) & (advantages > 0)).double().mean(),
    }  # fmt: skip
    assert_close(dict(result.means), expected, rtol=1e-12, atol=0)
    assert_close([result.largest["ratio_max"], result.smallest["ratio_min"]], [ratio.max(), ratio.min()])
    assert expected["clip_fraction_low"] > 0
    assert expected["clip_fraction_high"] > 0


def test_without_a_reference_the_loss_is_that_of_beta_zero_and_no_divergence_is_reported():
    alone, gradient = evaluated(GRPO, replace(FIXED, reference_log_probs=None), beta=0.0)
    beside, expected = evaluated(GRPO, FIXED, beta=0.0)
    assert torch.equal(alone.loss, beside.loss)
    assert torch.equal(gradient, expected)
    assert "kl" not in alone.means


def test_only_the_loss_has_a_graph_and_detached_cuts_it():
    result = GRPO(learning(FIXED), Totals.of(FIXED.mask), beta=BETA)
    assert result.loss.requires_grad
    assert not result.detached().loss.requires_grad
    assert not any(value.requires_grad for value in result.means.values())


def test_only_log_probs_and_entropies_receive_a_gradient():
    leaves = {name: getattr(FIXED, name).clone().requires_grad_() for name in (*TENSORS, "advantages")}
    objective = replace(GRPO, entropy_bonus=0.1)
    objective(replace(FIXED, **leaves), Totals.of(FIXED.mask), beta=BETA).loss.backward()
    assert {name for name, leaf in leaves.items() if leaf.grad is not None} == {"log_probs", "entropy"}


@pytest.mark.parametrize(
    ("change", "totals", "beta", "message"),
    [
        ({}, Totals(2, 100), BETA, "log_probs has 6 rows and the whole optimiser step 2"),
        ({"reference_log_probs": None}, None, BETA, r"reference_log_probs is None and beta is 0\.04"),
        ({}, None, float("nan"), "beta is nan"),
        ({}, None, -1.0, "beta is -1.0"),
        ({"entropy": None}, Totals(6, 42, entropy_floor=0.1, top_tokens=3), BETA, "entropy is None"),
    ],
)
def test_what_does_not_fit_together_is_refused(change, totals, beta, message):
    with pytest.raises(ValueError, match=message):
        GRPO(replace(FIXED, **change), totals or Totals.of(FIXED.mask), beta=beta)


def test_an_entropy_bonus_below_zero_is_refused():
    with pytest.raises(ValueError, match=r"entropy_bonus is -0\.1"):
        replace(GRPO, entropy_bonus=-0.1)


@pytest.mark.parametrize(("rows", "tokens"), [(0, 3), (-1, 3), (2, -1)])
def test_a_step_of_no_rows_or_of_negative_size_is_refused(rows, tokens):
    with pytest.raises(ValueError, match="at least one row"):
        Totals(rows=rows, tokens=tokens)


def test_a_constant_length_below_one_is_refused():
    average = SHIPPED["dr_grpo"][0].average
    with pytest.raises(ValueError, match="max_completion_tokens is 0"):
        replace(GRPO, average=partial(average.func, max_completion_tokens=0))(FIXED, Totals.of(FIXED.mask), beta=BETA)


def test_the_table_of_brute_force_knows_every_shipped_part():
    assert all(isinstance(parts, Parts) for _, parts in SHIPPED.values())
    assert {parts.ratio for _, parts in SHIPPED.values()} == {
        "token_ratio", "sequence_ratio", "sequence_token_ratio", "response_ratio",
    }  # fmt: skip
