import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists
from torch.testing import assert_close
from wrong_objectives import batch_std_advantages, population_std_advantages, unshifted_advantages

from pathvlm_r1.grpo import centred_advantages, group_relative_advantages

groups = lists(floats(-10, 10), min_size=2, max_size=16)
both_advantages = pytest.mark.parametrize("advantages", [group_relative_advantages, centred_advantages])
REWARDS = [[0.0, 1.0, 1.0], [0.2, 3.0, 2.5]]


def assert_standardises(advantages):
    expected = [[(r - statistics.mean(group)) / (statistics.stdev(group) + 1e-4) for r in group] for group in REWARDS]
    actual = advantages(torch.tensor(REWARDS, dtype=torch.float64))
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def assert_equal_rewards_give_exactly_zero(advantages):
    for group_size in range(2, 17):
        for reward in (0.1, 0.7, 2.3, -1e6, 1 / 3):
            for dtype in (torch.float32, torch.float64):
                rewards = torch.full((3, group_size), reward, dtype=dtype)
                assert advantages(rewards).count_nonzero() == 0, (group_size, reward, dtype)


def test_advantages_equal_the_formula_in_plain_python():
    assert_standardises(group_relative_advantages)


@pytest.mark.parametrize("wrong", [population_std_advantages, batch_std_advantages])
def test_another_standard_deviation_is_caught(wrong):
    with pytest.raises(AssertionError):
        assert_standardises(wrong)


def test_centred_advantages_equal_the_formula_in_plain_python():
    expected = [[r - statistics.mean(group) for r in group] for group in REWARDS]
    actual = centred_advantages(torch.tensor(REWARDS, dtype=torch.float64))
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@both_advantages
def test_equal_rewards_give_advantages_of_exactly_zero(advantages):
    assert_equal_rewards_give_exactly_zero(advantages)


def test_a_mean_without_the_shift_is_caught():
    with pytest.raises(AssertionError):
        assert_equal_rewards_give_exactly_zero(unshifted_advantages)


@both_advantages
@settings(deadline=None, max_examples=50)
@given(rewards=groups, shift=floats(-100, 100))
def test_advantages_ignore_a_common_shift_and_the_other_groups(advantages, rewards, shift):
    group = torch.tensor([rewards], dtype=torch.float64)
    beside_another = advantages(torch.cat([group + shift, -group]))[:1]
    assert_close(beside_another, advantages(group), rtol=1e-9, atol=1e-9)


@both_advantages
@settings(deadline=None, max_examples=50)
@given(rewards=groups, seed=integers(0, 2**32 - 1))
def test_advantages_follow_their_completions_through_a_permutation(advantages, rewards, seed):
    group = torch.tensor([rewards], dtype=torch.float64)
    order = torch.randperm(len(rewards), generator=torch.Generator().manual_seed(seed))
    assert_close(advantages(group[:, order]), advantages(group)[:, order], rtol=1e-9, atol=1e-9)


@settings(deadline=None, max_examples=50)
@given(rewards=groups)
def test_advantages_of_a_group_sum_to_zero_and_none_exceeds_what_its_size_allows(rewards):
    advantages = group_relative_advantages(torch.tensor([rewards], dtype=torch.float64))
    assert abs(float(advantages.sum())) < 1e-9
    assert float(advantages.abs().max()) <= (len(rewards) - 1) / len(rewards) ** 0.5 + 1e-9


def test_a_pair_of_different_rewards_gets_opposite_advantages_of_one_over_root_two():
    advantages = group_relative_advantages(torch.tensor([[0.0, 1000.0]], dtype=torch.float64))
    assert_close(advantages, torch.tensor([[-0.5, 0.5]], dtype=torch.float64).mul(2**0.5), rtol=1e-6, atol=0)  # floor


@both_advantages
def test_advantages_have_the_dtype_and_shape_of_the_rewards(advantages):
    rewards = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))
    assert advantages(rewards).shape == (5, 4)
    assert advantages(rewards).dtype == torch.float32


@both_advantages
@pytest.mark.parametrize(
    ("rewards", "message"),
    [
        (torch.zeros(4, 1), "a group of one has no peers"),
        (torch.zeros(4), r"rewards is \[4\]"),
        (torch.zeros(4, 2, dtype=torch.int64), "rewards is torch.int64"),
        (torch.tensor([[0.0, float("nan")], [float("inf"), 1.0]]), "2 rewards are not finite"),
    ],
)
def test_rewards_without_a_group_statistic_are_refused(advantages, rewards, message):
    with pytest.raises(ValueError, match=message):
        advantages(rewards)


@pytest.mark.parametrize("std_floor", [0.0, -1.0, float("nan")])
def test_a_floor_that_is_not_above_zero_is_refused(std_floor):
    with pytest.raises(ValueError, match="std_floor is"):
        group_relative_advantages(torch.zeros(1, 2), std_floor=std_floor)
