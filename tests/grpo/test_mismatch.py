import math

import pytest
import torch
from torch.testing import assert_close

from pathvlm_r1.grpo import mismatch_weights

OLD = torch.tensor([[-1.0, -2.0, -3.0], [-1.0, -1.0, -1.0]], dtype=torch.float64)
SAMPLER = torch.tensor([[-1.2, -1.9, 9.0], [-1.0, -1.0, -4.0]], dtype=torch.float64)
MASK = torch.tensor([[True, True, False], [True, True, True]])
EXPECTED = {  # exp(q), exp(sum q), exp(mean q) where the mask is True
    "token": [[math.exp(0.2), math.exp(-0.1), 0.0], [1.0, 1.0, math.exp(3.0)]],
    "sequence": [[math.exp(0.1), math.exp(0.1), 0.0], [math.exp(3.0)] * 3],
    "geometric": [[math.exp(0.05), math.exp(0.05), 0.0], [math.exp(1.0)] * 3],
}


@pytest.mark.parametrize("level", EXPECTED)
@pytest.mark.parametrize("beyond", ["truncate", "mask"])
def test_weights_equal_the_formula_and_what_is_beyond_the_bounds_is_cut_or_dropped(level, beyond):
    expected = torch.tensor(EXPECTED[level], dtype=torch.float64)
    too_large = expected > 2
    expected[too_large] = 2.0 if beyond == "truncate" else 0.0
    weights = mismatch_weights(OLD, SAMPLER, MASK, level=level, beyond=beyond, high=2.0)
    assert_close(weights, expected, rtol=1e-12, atol=0)


def test_below_the_lower_bound_likewise():
    sampler = OLD + 3
    for beyond, expected in {"truncate": 0.5, "mask": 0.0}.items():
        weights = mismatch_weights(OLD, sampler, MASK, level="token", beyond=beyond, low=0.5, high=2.0)
        assert_close(weights[MASK], torch.full((5,), expected, dtype=torch.float64))


def test_a_long_row_with_a_small_drift_is_dropped_by_the_product_and_kept_by_the_geometric_mean():
    """0.012 nats a token over 100 tokens is a ratio of 3.3."""
    old = torch.zeros(1, 100)
    settings = {"beyond": "mask", "high": 3.0}
    mask = torch.ones(1, 100, dtype=torch.bool)
    assert mismatch_weights(old, old - 0.012, mask, level="sequence", **settings).count_nonzero() == 0
    assert_close(mismatch_weights(old, old - 0.012, mask, level="geometric", **settings), torch.full((1, 100), 1.0121),
                 rtol=1e-4, atol=0)  # fmt: skip


def test_equal_log_probs_have_weight_1_at_every_level_and_nan_outside_the_mask_does_no_harm():
    rubbish = OLD.where(MASK, float("nan"))
    for level in EXPECTED:
        weights = mismatch_weights(OLD, rubbish, MASK, level=level, beyond="mask", low=0.9, high=1.1)
        assert torch.equal(weights, MASK.double())


@pytest.mark.parametrize("bounds", [{"high": 0.9}, {"high": 2.0, "low": 1.1}, {"high": 2.0, "low": -0.1}])
def test_bounds_that_do_not_contain_1_are_refused(bounds):
    with pytest.raises(ValueError, match="0 <= low <= 1 <= high"):
        mismatch_weights(OLD, SAMPLER, MASK, level="token", beyond="mask", **bounds)
