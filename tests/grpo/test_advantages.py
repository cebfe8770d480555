import math
import statistics

import pytest
import torch
from hypothesis import given, settings
from hypothesis.strategies import floats, integers, lists
from scipy.stats import rankdata
from torch.testing import assert_close
from wrong_objectives import batch_std_advantages, population_std_advantages, unshifted_advantages

from pathvlm_r1.grpo import (
    batch_relative_advantages,
    centred_advantages,
    decoupled_total,
    group_relative_advantages,
    leave_one_out_advantages,
    rank_advantages,
)

groups = lists(floats(-10, 10), min_size=2, max_size=16)
WITHIN_GROUPS = [group_relative_advantages, centred_advantages, leave_one_out_advantages, rank_advantages]
each_within_groups = pytest.mark.parametrize("advantages", WITHIN_GROUPS)
each_advantage = pytest.mark.parametrize("advantages", [*WITHIN_GROUPS, batch_relative_advantages])
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


@each_advantage
def test_equal_rewards_give_advantages_of_exactly_zero(advantages):
    assert_equal_rewards_give_exactly_zero(advantages)


def test_a_mean_without_the_shift_is_caught():
    with pytest.raises(AssertionError):
        assert_equal_rewards_give_exactly_zero(unshifted_advantages)


@pytest.mark.medium
@each_within_groups
@settings(deadline=None, max_examples=50)
@given(rewards=groups, shift=floats(-100, 100))
def test_advantages_ignore_a_common_shift_and_the_other_groups(advantages, rewards, shift):
    group = torch.tensor([rewards], dtype=torch.float64)
    beside_another = advantages(torch.cat([group + shift, -group]))[:1]
    if advantages is rank_advantages:  # rounding of the shift may make equal what was not
        group = group + shift
    assert_close(beside_another, advantages(group), rtol=1e-9, atol=1e-9)


@pytest.mark.medium
@each_advantage
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


@each_advantage
def test_advantages_have_the_dtype_and_shape_of_the_rewards(advantages):
    rewards = torch.rand(5, 4, generator=torch.Generator().manual_seed(0))
    assert advantages(rewards).shape == (5, 4)
    assert advantages(rewards).dtype == torch.float32


@each_advantage
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


def test_the_population_std_divides_by_the_group_size():
    expected = [[(r - statistics.mean(group)) / (statistics.pstdev(group) + 1e-4) for r in group] for group in REWARDS]
    actual = group_relative_advantages(torch.tensor(REWARDS, dtype=torch.float64), is_std_unbiased=False)
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


def test_the_batch_std_is_that_of_all_rewards_and_the_mean_that_of_the_group():
    spread = statistics.stdev([r for group in REWARDS for r in group]) + 1e-4
    expected = [[(r - statistics.mean(group)) / spread for r in group] for group in REWARDS]
    actual = batch_relative_advantages(torch.tensor(REWARDS, dtype=torch.float64))
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(rewards=groups, shift=floats(-100, 100))
def test_a_shift_common_to_all_groups_leaves_batch_advantages(rewards, shift):
    both = torch.tensor([rewards, rewards[::-1]], dtype=torch.float64)
    both[1] *= 2
    assert_close(batch_relative_advantages(both + shift), batch_relative_advantages(both), rtol=1e-6, atol=1e-6)


def test_leaving_one_out_subtracts_the_mean_of_the_others():
    expected = [[r - statistics.mean(group[:g] + group[g + 1 :]) for g, r in enumerate(group)] for group in REWARDS]
    actual = leave_one_out_advantages(torch.tensor(REWARDS, dtype=torch.float64))
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=1e-12)


@settings(deadline=None, max_examples=50)
@given(rewards=groups)
def test_ranks_are_those_of_scipy_spread_over_minus_one_to_one_and_blind_to_scale(rewards):
    group = torch.tensor([rewards], dtype=torch.float64)
    places = torch.from_numpy(rankdata(rewards)).double()
    expected = (2 * places - len(rewards) - 1) / (len(rewards) - 1)
    assert_close(rank_advantages(group)[0], expected, rtol=1e-12, atol=1e-12)
    assert torch.equal(rank_advantages(torch.tensor([[0.0, 1.0, 1e9]])), torch.tensor([[-1.0, 0.0, 1.0]]))


NAN = float("nan")
TERMS = [[[0.0, 1.0, 1.0], [1.0, 1.0, 1.0]], [[0.2, NAN, 0.4], [NAN, NAN, NAN]]]  # [K, B, G]


def test_the_decoupled_total_sums_terms_that_were_standardised_each_by_itself():
    weights = [1.0, 0.5]
    expected = [[0.0] * 3 for _ in range(2)]
    for term, weight in zip(TERMS, weights, strict=True):
        for b, group in enumerate(term):
            known = [r for r in group if not math.isnan(r)]
            spread = statistics.stdev(known) if len(known) > 1 else 0.0
            for g, r in enumerate(group):
                z = 0.0 if math.isnan(r) else (r - statistics.mean(known)) / (spread + 1e-4)
                expected[b][g] += weight * z
    actual = decoupled_total(torch.tensor(TERMS), torch.tensor(weights))
    assert_close(actual, torch.tensor(expected, dtype=torch.float64), rtol=1e-5, atol=1e-6)  # terms are float32


def test_a_term_of_small_spread_is_not_drowned_once_terms_are_decoupled():
    """Accuracy decides the sum; the process term, ten times smaller, hardly moves it, and counts alike decoupled."""
    terms = torch.tensor([[[0.0, 1.0, 0.0, 1.0]], [[0.1, 0.0, 0.0, 0.1]]], dtype=torch.float64)
    summed = group_relative_advantages(terms.sum(dim=0))[0]
    decoupled = batch_relative_advantages(decoupled_total(terms, torch.ones(2)))[0]
    assert summed[0] < -0.7  # wrong, though well reasoned
    assert decoupled[0].abs() < 1e-3  # one of each
    assert decoupled[3] > 1


@pytest.mark.parametrize("group_size", range(2, 17))
@pytest.mark.parametrize("reward", [0.1, 0.7, 2.3])
def test_equal_terms_give_a_decoupled_total_of_exactly_zero(group_size, reward):
    terms = torch.full((2, 3, group_size), reward, dtype=torch.float64)
    assert decoupled_total(terms, torch.tensor([1.0, 2.0])).count_nonzero() == 0


@pytest.mark.parametrize(
    ("terms", "weights", "message"),
    [
        (torch.zeros(2, 3), torch.ones(2), r"terms is \[2, 3\]"),
        (torch.zeros(2, 3, 4), torch.ones(3), r"weights \[3\]"),
        (torch.full((1, 1, 2), float("inf")), torch.ones(1), "2 reward terms are infinite"),
    ],
)
def test_terms_that_do_not_fit_are_refused(terms, weights, message):
    with pytest.raises(ValueError, match=message):
        decoupled_total(terms, weights)
