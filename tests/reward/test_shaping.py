"""What stands around a term, against plain Python, and the laws that every shape keeps."""

import math
import statistics

import pytest
import torch
from hypothesis import given
from hypothesis.strategies import floats, integers, lists, none, one_of, sampled_from
from torch.testing import assert_close
from written_completions import phantom_samples

from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.reward import (
    By,
    Clip,
    Completion,
    FinishReason,
    Gate,
    Missing,
    Normalisation,
    Over,
    Schedule,
    Score,
    Shape,
    WeightedTerm,
    shaped,
    total_reward,
)

NAN = math.nan
SAMPLES = phantom_samples("fundus", 2)
HOWS = [Normalisation(by, over) for by in By for over in Over]
scores = one_of(none(), floats(-10, 10))


def tensor(*rows):
    return torch.tensor([[NAN if value is None else value for value in row] for row in rows], dtype=torch.float64)


def only(values, shape, **others):
    """The effective scores of one term beside plain ones."""
    return shaped({"term": values, **others}, {"term": shape})["term"]


class Written:
    """A term whose scores stand in the texts, a column each."""

    def __init__(self, name, column):
        self.name, self.column = name, column

    def __call__(self, completion):
        word = completion.text.split()[self.column]
        return Score(None if word == "none" else float(word), f"says {word}")


def rewarded(shape, *words, step=0, missing=Missing.GROUP_MEAN, weight=1.0):
    """A group whose first column is the term `right` of weight 1, and whose second is `term` in its shape."""
    group = [Completion(SAMPLES[0], text, FinishReason.STOP, 1) for text in words]
    terms = [WeightedTerm(Written("right", 0), 1.0), WeightedTerm(Written("term", 1), weight, shape)]
    return total_reward([group], terms, missing).at(step)


def test_without_anything_around_it_a_score_is_what_it_was():
    values = tensor([0.5, None, -3.0])
    assert_close(only(values, Shape()), values, equal_nan=True)
    assert only(values, Shape()) is values


@given(values=lists(scores, min_size=1, max_size=8), low=floats(-5, 0), width=floats(0.1, 5))
def test_a_clip_is_the_nearest_number_of_its_range(values, low, width):
    clipped = only(tensor(values), Shape(clip=Clip(low, low + width)))
    expected = [None if value is None else min(max(value, low), low + width) for value in values]
    assert_close(clipped, tensor(expected), equal_nan=True)


@given(values=lists(scores, min_size=3, max_size=3), by=lists(scores, min_size=3, max_size=3), at=floats(-5, 5))
def test_a_gate_gives_the_score_where_it_is_open_zero_where_closed_and_none_where_that_is_unknown(values, by, at):
    found = only(tensor(values), Shape(gate=Gate("by", at)), by=tensor(by))
    expected = [None if gate is None else value if gate >= at else 0.0 for value, gate in zip(values, by, strict=True)]
    assert_close(found, tensor(expected), equal_nan=True)


def test_a_gate_asks_for_raw_scores_whatever_stands_around_the_other_term():
    gate, values = Gate("by", 1.0), tensor([0.3, 0.7])
    shapes = {"term": Shape(gate=gate), "by": Shape(clip=Clip(0.0, 0.5))}
    found = shaped({"term": values, "by": tensor([1.0, 0.0])}, shapes)
    assert found["term"].tolist() == [[0.3, 0.0]]
    assert found["by"].tolist() == [[0.5, 0.0]]


def test_a_gate_by_no_term_is_refused_with_those_that_there_are():
    with pytest.raises(ValueError, match="term is gated by accuracy, which is no term: one of term, by"):
        only(tensor([1.0]), Shape(gate=Gate("accuracy", 1.0)), by=tensor([1.0]))


def plainly_normalised(row, by):
    known = [value for value in row if value is not None]
    if by is By.MIN_MAX:
        width = max(known) - min(known) if known else 0
        return [None if value is None else (value - min(known)) / width if width else 0.0 for value in row]
    spread = statistics.stdev(known) if len(known) > 1 else 0.0
    return [None if value is None else (value - statistics.fmean(known)) / (spread + 1e-4) for value in row]


@given(rows=lists(lists(scores, min_size=3, max_size=3), min_size=1, max_size=3), how=sampled_from(HOWS))
def test_a_normalisation_is_that_of_plain_python_within_groups_or_within_the_batch(rows, how):
    found = only(tensor(*rows), Shape(normalisation=how))
    if how.over is Over.GROUP:
        expected = [plainly_normalised(row, how.by) for row in rows]
    else:
        flat = plainly_normalised([value for row in rows for value in row], how.by)
        expected = [flat[start : start + 3] for start in range(0, len(flat), 3)]
    assert_close(found, tensor(*expected), rtol=1e-9, atol=1e-9, equal_nan=True)


@pytest.mark.parametrize("how", HOWS, ids=lambda how: f"{how.by}-{how.over}")
def test_equal_scores_are_exactly_zero_and_lone_or_missing_ones_break_nothing(how):
    for value in (0.1, 0.7, 2.3):
        assert only(tensor([value] * 7), Shape(normalisation=how)).tolist() == [[0.0] * 7]
    assert only(tensor([0.3]), Shape(normalisation=how)).tolist() == [[0.0]]
    assert only(tensor([None, None]), Shape(normalisation=how)).isnan().all()


@given(values=lists(floats(-10, 10), min_size=2, max_size=8, unique=True), how=sampled_from(HOWS))
def test_clip_gate_and_normalisation_keep_the_order_of_scores(values, how):
    shape = Shape(Clip(-3.0, 3.0), Gate("by", 0.0), how)
    found = only(tensor(sorted(values)), shape, by=torch.ones(1, len(values)))
    assert (found.diff() >= 0).all()


def test_they_act_in_the_order_clip_gate_normalisation():
    """A closed gate is 0 whatever the clip, and that 0 takes part in the normalisation."""
    shape = Shape(Clip(0.5, 1.0), Gate("by", 1.0), Normalisation(By.MIN_MAX, Over.GROUP))
    found = only(tensor([0.2, 9.0, 0.9]), shape, by=tensor([1.0, 1.0, 0.0]))
    assert found.tolist() == [[0.5, 1.0, 0.0]]


def test_a_z_score_of_the_only_term_changes_no_group_relative_advantage():
    values = tensor([0.1, 0.4, 0.9, 0.2], [0.3, 0.3, 0.8, 0.1])
    shaped_values = only(values, Shape(normalisation=Normalisation(By.Z_SCORE, Over.GROUP)))
    plain = group_relative_advantages(values, std_floor=1e-12)
    assert_close(group_relative_advantages(shaped_values, std_floor=1e-12), plain, rtol=1e-9, atol=1e-9)


@given(first=floats(0, 3), last=floats(0, 3), start=integers(0, 50), length=integers(1, 50), step=integers(0, 200))
def test_a_scheduled_weight_is_linear_between_its_steps_constant_outside_and_of_the_step_alone(
    first, last, start, length, step
):
    schedule = Schedule(first, last, start, start + length)
    share = 0 if step <= start else 1 if step >= start + length else (step - start) / length
    assert schedule.at(step) == pytest.approx(first + (last - first) * share, abs=1e-12)
    assert schedule.at(step) == Schedule(first, last, start, start + length).at(step)
    assert min(first, last) - 1e-12 <= schedule.at(step) <= max(first, last) + 1e-12


def test_the_weight_of_a_step_is_the_term_s_weight_times_the_schedule():
    shape = Shape(schedule=Schedule(0.0, 1.0, 10, 20))
    for step, weight in {0: 0.0, 10: 0.0, 15: 1.0, 20: 2.0, 99: 2.0}.items():
        table = rewarded(shape, "1 0.5", "0 1", step=step, weight=2.0)
        assert table.weights == {"right": 1.0, "term": weight}
        assert table.total.tolist() == [[1 + 0.5 * weight, weight]]
        assert table.terms["term"].tolist() == [[0.5, 1.0]]


def test_scores_that_were_judged_earlier_take_the_weights_of_the_step_that_learns_from_them():
    shape = Shape(gate=Gate("right", 1.0), schedule=Schedule(0.0, 1.0, 10, 20))
    words = ("1 0.5", "0 1", "none none", "1 none")
    early = rewarded(shape, *words, step=0)
    for step in (0, 12, 99):
        late = rewarded(shape, *words, step=step)
        assert_close(early.at(step).total, late.total, rtol=0, atol=0)
        assert early.at(step).weights == late.weights
    assert early.total.tolist()[0][:2] == [1.0, 0.0], "the table itself stays as it was"


def test_a_gated_out_term_is_worth_nothing_and_stays_in_the_table_with_its_raw_score_and_reason():
    table = rewarded(Shape(gate=Gate("right", 1.0)), "1 0.5", "0 0.9")
    assert table.total.tolist() == [[1.5, 0.0]]
    assert table.terms["term"].tolist() == [[0.5, 0.9]]
    assert table.effective["term"].tolist() == [[0.5, 0.0]]
    assert table.reason("term", 0, 0) == "says 0.5"
    assert table.reason("term", 0, 1) == "says 0.9; gated out, right is 0 and not 1"
    assert table.reason("right", 0, 1) == "says 0"


def test_a_closed_gate_is_no_missing_verdict_and_closes_on_one_too():
    """Filled with the group's mean, the wrong answer would be paid what the right one earned."""
    table = rewarded(Shape(gate=Gate("right", 1.0)), "1 0.8", "0 0.9", "0 none", "1 none")
    assert table.total[0, 1:3].tolist() == [0.0, 0.0]
    assert table.total[0, 3] == pytest.approx(1 + 0.8 / 3)  # the mean of what counts in its group: 0.8, 0 and 0
    assert table.counted.all()


def test_reasons_say_what_a_clip_a_normalisation_and_an_unknown_gate_did():
    table = rewarded(Shape(clip=Clip(0.0, 0.5)), "1 0.9", "1 0.3")
    assert table.reason("term", 0, 0) == "says 0.9; clipped to [0, 0.5]"
    assert table.reason("term", 0, 1) == "says 0.3"
    table = rewarded(Shape(normalisation=Normalisation(By.MIN_MAX, Over.GROUP)), "1 2", "1 4", "1 none")
    assert table.reason("term", 0, 1) == "says 4; 1 as min_max in its group"
    assert table.reason("term", 0, 2) == "says none"
    table = rewarded(Shape(gate=Gate("right", 1.0)), "none 0.9", "1 0.3")
    assert table.reason("term", 0, 0) == "says 0.9; not counted, right has no verdict"


@given(
    words=lists(lists(sampled_from(["none", "0", "0.25", "1"]), min_size=2, max_size=2), min_size=2, max_size=5),
    step=integers(0, 30),
    how=one_of(none(), sampled_from(HOWS)),
)
def test_the_total_follows_from_the_logged_scores_and_the_configuration_alone(words, step, how):
    """What is stored of a rollout is enough: raw scores, shapes, weights and the step."""
    shape = Shape(Clip(0.0, 0.9), Gate("right", 0.5), how, Schedule(0.5, 2.0, 3, 20))
    table = rewarded(shape, *map(" ".join, words), step=step)
    raw = {name: tensor(*[[s.value for s in row] for row in rows]) for name, rows in table.scores.items()}
    again = shaped(raw, table.shapes)
    for name, values in again.items():
        assert_close(values, table.effective[name], rtol=0, atol=0, equal_nan=True)
    known = ~torch.stack(list(again.values())).isnan().any(dim=0)
    expected = sum(table.weights[name] * values for name, values in again.items())
    assert_close(table.total[known], expected[known], rtol=0, atol=1e-12)


def test_a_gate_that_is_a_missing_verdict_is_caught():
    """The wrong version: closed is NaN, which the group's mean fills."""
    table = rewarded(Shape(), "1 0.8", "0 none")
    assert table.total[0, 1] == 0.8, "a wrong answer with the right one's process score"
    assert rewarded(Shape(gate=Gate("right", 1.0)), "1 0.8", "0 none").total[0, 1] == 0.0
