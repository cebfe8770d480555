import pytest
import torch
from graded_groups import ACCURACY, FORMAT, counts_of, groups_of, rewarded
from hypothesis import given
from hypothesis.strategies import floats, integers, lists
from written_completions import CONTRACT

from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.reward import RewardTable, accuracy_kinds, correctness, is_without_signal, signal_counts

groups_of_rewards = lists(lists(floats(0, 3), min_size=4, max_size=4), min_size=1, max_size=5)


@given(groups_of_rewards)
def test_a_group_is_without_signal_exactly_where_all_its_advantages_are_zero(rows):
    total = torch.tensor(rows, dtype=torch.float64)
    are_zero = (group_relative_advantages(total) == 0).all(dim=-1)
    assert torch.equal(is_without_signal(total), are_zero)


def test_equal_rewards_that_have_no_exact_mean_are_without_signal():
    """The wrong version: a standard deviation of zero, which the float mean of 0.1 seven times does not give."""
    total = torch.full((1, 7), 0.1, dtype=torch.float64)
    assert total.sum() / 7 != 0.1 or total.std() == 0
    assert is_without_signal(total).all()


@given(lists(lists(integers(0, 1), min_size=3, max_size=3), min_size=1, max_size=6))
def test_every_group_is_of_exactly_one_kind(rows):
    kinds = accuracy_kinds(torch.tensor(rows, dtype=torch.float64))
    for row, *flags in zip(rows, kinds.all_zero, kinds.all_one, kinds.mixed, strict=True):
        assert [bool(flag) for flag in flags] == [sum(row) == 0, sum(row) == 3, 0 < sum(row) < 3]


def test_everything_is_counted_in_groups_and_completions():
    counts = counts_of("rrrr", "wwww", "rrwb", "celw")
    assert (counts.groups, counts.completions, counts.group_size) == (4, 16, 4)
    assert (counts.all_one, counts.all_zero, counts.mixed) == (1, 2, 1)
    assert (counts.without_signal, counts.with_signal) == (2, 2)  # the last group differs in its form
    assert counts.varied == {"accuracy": 1, "format": 2}
    assert (counts.right, counts.formatted, counts.unread) == (7, 12, 3)
    assert (counts.capped, counts.empty, counts.looping) == (1, 1, 1)


def test_counts_of_two_rollouts_add_up_to_those_of_both_together():
    assert counts_of("rrrr", "wwrb") + counts_of("celw") == counts_of("rrrr", "wwrb", "celw")


def test_of_a_reward_without_an_accuracy_term_right_is_what_the_contract_reads():
    groups = groups_of("rwbc")
    expected = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    assert torch.equal(correctness(groups, rewarded(groups, FORMAT), CONTRACT), expected)
    assert torch.equal(correctness(groups, rewarded(groups, ACCURACY), CONTRACT), expected)


def test_a_missing_verdict_is_no_difference():
    scores = torch.tensor([[0.4, float("nan"), 0.4], [float("nan")] * 3, [0.4, 0.6, float("nan")]], dtype=torch.float64)
    table = RewardTable({"process": scores}, {}, scores.nan_to_num(0.4), scores.isnan().logical_not())
    groups = groups_of("rrr", "rrr", "rrr")
    assert signal_counts(groups, table, CONTRACT).varied == {"process": 1}


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_a_term_that_varies_gives_a_signal_only_with_a_weight(weight):
    groups = groups_of("rrww")
    unweighted = type(ACCURACY)(ACCURACY.term, weight)
    counts = signal_counts(groups, rewarded(groups, unweighted), CONTRACT)
    assert counts.varied == {"accuracy": 1}
    assert counts.with_signal == (weight > 0)
