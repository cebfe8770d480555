import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, lists

from pathvlm_r1.grpo import entropy_floor


@settings(deadline=None, max_examples=100)
@given(values=lists(floats(0, 10), min_size=1, max_size=40), share=floats(0.01, 1))
def test_the_floor_is_the_quantile_of_torch(values, share):
    entropies = torch.tensor(values, dtype=torch.float64)
    expected = float(torch.quantile(entropies, 1 - share))
    assert entropy_floor(entropies, share) == pytest.approx(expected, rel=1e-9, abs=1e-9)


def test_a_share_of_one_keeps_every_token_and_a_small_one_the_most_undecided():
    entropies = torch.arange(10, dtype=torch.float64)
    assert entropy_floor(entropies, 1.0) == 0
    assert int((entropies >= entropy_floor(entropies, 0.2)).sum()) == 2


def test_without_tokens_nothing_is_masked():
    assert entropy_floor(torch.zeros(0), 0.2) == float("-inf")


@pytest.mark.parametrize("share", [0.0, -0.1, 1.1, float("nan")])
def test_a_share_out_of_range_is_refused(share):
    with pytest.raises(ValueError, match="share is"):
        entropy_floor(torch.zeros(3), share)
