from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pytest
import torch
from torch.testing import assert_close
from written_completions import CONTRACT, completion, phantom_samples
from wrong_rewards import half_for_every_answer_total, none_as_zero_total, one_row_off_total, repeated_twice_total

from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.reward import (
    Completion,
    CrossModalProcess,
    FinishReason,
    Format,
    JudgeError,
    Missing,
    OracleJudge,
    OutcomeAccuracy,
    Score,
    WeightedTerm,
    total_reward,
)


@dataclass(frozen=True)
class Given:
    """A term whose scores are written into the completions' texts: `1.0 none` is 1.0 in column 0, no verdict in 1."""

    column: int
    name: str

    def __call__(self, completion: Completion) -> Score:
        word = completion.text.split()[self.column]
        return Score(None if word == "none" else float(word), "given")


@dataclass(frozen=True)
class Together(Given):
    """The same, taken together."""

    batches: list[int] = field(default_factory=list)

    def score_all(self, completions: Sequence[Completion]) -> list[Score]:
        self.batches.append(len(completions))
        return [self(completion) for completion in completions]


@dataclass(frozen=True)
class Unjudged:
    """The process term of a judge that is down."""

    name: str = "process"

    def __call__(self, _: Completion) -> Score:
        return Score(None, "down")


SAMPLES = phantom_samples("oct", 8)
GIVEN = [WeightedTerm(Given(0, "first"), 1.0), WeightedTerm(Given(1, "second"), 0.5)]
DUAL = [
    WeightedTerm(OutcomeAccuracy(CONTRACT, letter_and_text=False), 1.0),
    WeightedTerm(Format(CONTRACT), 1.0),
    WeightedTerm(CrossModalProcess(OracleJudge(CONTRACT), 0.4), 1.0),
]
both_ways = pytest.mark.parametrize("missing", [Missing.GROUP_MEAN, Missing.DROP_TERM])


def group(*texts, sample=SAMPLES[0]):
    return [Completion(sample, text, FinishReason.STOP, 1) for text in texts]


def right_then_wrong(sample):
    wrong = next(letter for letter in sample.letters if letter != sample.answer)
    return [completion(sample, sample.rationale), *(completion(sample, "", wrong) for _ in range(3))]


def assert_every_completion_is_scored_with_its_own_sample(total):
    for prompts in (1, 8):
        table = total([right_then_wrong(sample) for sample in SAMPLES[:prompts]], DUAL, Missing.GROUP_MEAN)
        expected = torch.tensor([[3.0, 1.5, 1.5, 1.5]] * prompts, dtype=torch.float64)
        assert_close(table.total, expected, rtol=0, atol=1e-12)


def assert_a_missing_term_is_no_zero(total):
    table = total([group("1 0.8", "1 0.4", "1 none")], GIVEN, Missing.GROUP_MEAN)
    assert_close(table.total, torch.tensor([[1.4, 1.2, 1.3]], dtype=torch.float64), rtol=0, atol=1e-12)
    table = total([group("1 0.8", "0 0.4", "1 none")], GIVEN, Missing.DROP_TERM)
    assert_close(table.total, torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64), rtol=0, atol=1e-12)


def test_every_completion_is_scored_with_its_own_sample_in_small_and_large_batches():
    assert_every_completion_is_scored_with_its_own_sample(total_reward)


@pytest.mark.parametrize("wrong", [one_row_off_total, repeated_twice_total])
def test_rewards_paired_with_other_samples_are_caught(wrong):
    with pytest.raises(AssertionError):
        assert_every_completion_is_scored_with_its_own_sample(wrong)


def test_rewards_follow_their_groups_and_completions_through_a_permutation():
    groups = [right_then_wrong(sample) for sample in SAMPLES]
    table = total_reward(groups, DUAL, Missing.GROUP_MEAN)
    turned = total_reward([each[::-1] for each in groups[::-1]], DUAL, Missing.GROUP_MEAN)
    assert_close(turned.total, table.total.flip(0, 1), rtol=0, atol=0)


def test_a_missing_term_takes_the_groups_mean_or_leaves_the_whole_group():
    assert_a_missing_term_is_no_zero(total_reward)


def test_a_missing_term_that_counts_as_zero_is_caught():
    with pytest.raises(AssertionError):
        assert_a_missing_term_is_no_zero(none_as_zero_total)


@both_ways
def test_a_missing_term_touches_no_other_group_and_stays_nan_in_the_table(missing):
    table = total_reward([group("1 none", "0 0.5"), group("1 1", "0 0", sample=SAMPLES[1])], GIVEN, missing)
    assert_close(table.total[1], torch.tensor([1.5, 0.0], dtype=torch.float64), rtol=0, atol=0)
    assert table.terms["second"].isnan().tolist() == [[True, False], [False, False]]
    assert table.scores["second"][0][0].value is None
    assert table.counted.all()


@both_ways
def test_a_term_that_a_whole_group_lacks_leaves_its_total(missing):
    table = total_reward([group("1 none", "0 none")], GIVEN, missing)
    assert table.total.tolist() == [[1.0, 0.0]]
    assert table.counted.all()


@both_ways
def test_a_completion_without_any_term_is_not_counted_and_sits_at_its_groups_mean(missing):
    table = total_reward([group("1 1", "0 0.5", "none none")], GIVEN, missing)
    assert table.counted.tolist() == [[True, True, False]]
    assert_close(table.total, torch.tensor([[1.5, 0.25, 0.875]], dtype=torch.float64), rtol=0, atol=1e-12)
    assert abs(group_relative_advantages(table.total)[0, 2]) < 1e-12


@both_ways
def test_a_group_without_any_verdict_has_totals_of_zero_and_counts_nothing(missing):
    table = total_reward([group("none none", "none none")], GIVEN, missing)
    assert table.total.tolist() == [[0.0, 0.0]]
    assert not table.counted.any()


def test_a_missing_term_may_end_the_run_and_says_which():
    complete = [group("1 1", "0 0.5")]
    assert total_reward(complete, GIVEN, Missing.STOP).total.tolist() == [[1.5, 0.25]]
    with pytest.raises(JudgeError) as caught:
        total_reward([*complete, group("1 1", "1 none", sample=SAMPLES[1])], GIVEN, Missing.STOP)
    assert str(caught.value) == (
        f"reward.missing=stop: second has no score for 1 of 4 completions; the first, of {SAMPLES[1].sample_id}: given"
    )


def assert_the_papers_fallback(total):
    """Half where the answer is right, nothing where it is wrong, and missing in the table all the same."""
    sample = SAMPLES[0]
    wrong = next(letter for letter in sample.letters if letter != sample.answer)
    answers = [completion(sample, "none", sample.answer), completion(sample, "none", wrong)]
    terms = [WeightedTerm(OutcomeAccuracy(CONTRACT, letter_and_text=False), 1.0), WeightedTerm(Unjudged(), 2.0)]
    table = total([answers], terms, Missing.PAPER)
    assert table.total.tolist() == [[1.0 + 2 * 0.5, 0.0]]
    assert table.terms["process"].isnan().all()
    assert table.counted.all()


def test_the_paper_takes_the_outcome_for_a_missing_verdict():
    assert_the_papers_fallback(total_reward)


def test_a_fallback_of_half_for_every_answer_is_caught():
    with pytest.raises(AssertionError):
        assert_the_papers_fallback(half_for_every_answer_total)


def test_a_term_that_takes_a_batch_is_asked_once_and_its_scores_find_their_groups():
    term = Together(0, "first")
    groups = [group("0.1", "0.2"), group("0.3", "0.4", sample=SAMPLES[1])]
    assert total_reward(groups, [WeightedTerm(term, 1.0)], Missing.GROUP_MEAN).total.tolist() == [
        [0.1, 0.2],
        [0.3, 0.4],
    ]
    assert term.batches == [4]


def test_the_mean_that_fills_a_gap_among_equal_scores_is_exactly_that_score():
    for value in ("0.1", "0.7", "2.3"):
        for size in range(3, 17):
            table = total_reward([group("1 none", *[f"1 {value}"] * (size - 1))], GIVEN, Missing.GROUP_MEAN)
            assert group_relative_advantages(table.total).count_nonzero() == 0, (value, size)


def test_weights_multiply_terms_and_the_terms_stay_unweighted():
    terms = [replace(GIVEN[0], weight=2.0), replace(GIVEN[1], weight=0.0)]
    table = total_reward([group("1 0.25", "0.5 1")], terms, Missing.GROUP_MEAN)
    assert table.total.tolist() == [[2.0, 1.0]]
    assert table.terms["second"].tolist() == [[0.25, 1.0]]


@pytest.mark.parametrize(
    ("groups", "terms"),
    [
        ([], GIVEN),
        ([[]], GIVEN),
        ([group("1 1"), group("1 1", "0 0")], GIVEN),
        ([group("1 1", "0 0")], []),
        ([group("1 1", "0 0")], [GIVEN[0], GIVEN[0]]),
        ([[*group("1 1"), *group("0 0", sample=SAMPLES[1])]], GIVEN),
    ],
    ids=["no group", "empty group", "unequal groups", "no term", "one name twice", "two samples in a group"],
)
def test_what_is_not_groups_of_one_size_and_one_sample_is_refused(groups, terms):
    with pytest.raises(ValueError, match=r"groups|terms"):
        total_reward(groups, terms, Missing.GROUP_MEAN)
