from dataclasses import replace
from itertools import product

import pytest
from graded_groups import ACCURACY, FORMAT, counts_of

from pathvlm_r1.evaluation import Signal, verdict
from pathvlm_r1.evaluation.verdict import alike_share


def test_groups_that_differ_are_a_signal_and_a_silent_term_is_named():
    found = verdict(counts_of("rrww", "rwww", "rrrr"))
    assert found.signal is Signal.CLEAR
    assert found.sentence == "RL has a signal: the rewards differ within 2 of 3 groups, but format within none of them."
    assert verdict(counts_of("rrwb", "wwww")).sentence == "RL has a signal: the rewards differ within 1 of 2 groups."


def test_few_groups_that_differ_are_a_weak_signal_with_its_cause():
    found = verdict(counts_of("rrrw", *["rrrr"] * 9))
    assert found.signal is Signal.WEAK
    assert found.sentence.startswith("RL has a weak signal: the rewards differ within 1 of 10 groups only, because")


@pytest.mark.parametrize(
    ("words", "cause"),
    [
        (["cccc", "cccc"], "8 of 8 completions were cut at the limit of tokens: raise model.max_completion_tokens"),
        (["ccww", "ccww"], "4 of 8 completions were cut at the limit of tokens"),
        (["eeee"], "4 of 4 completions are empty"),
        (["llll"], "4 of 4 completions repeat themselves"),
        (["rrrr", "rrrr"], "everything is right already: take harder questions"),
        (["wwww", "wwww"], "everything is wrong: train stage=sft longer"),
        (
            ["rrrrrrrr", "wwwwwwww"],
            "each question is answered alike every time, all right in 1 of 2 groups and all wrong in 1",
        ),
    ],
)
def test_without_a_signal_the_cause_is_named_with_what_to_do(words, cause):
    found = verdict(counts_of(*words, terms=[ACCURACY]))
    assert found.signal is Signal.NONE
    assert found.sentence.startswith(f"RL has no signal: the rewards are equal within all {len(words)} groups, because")
    assert cause in found.sentence


def test_answers_that_nobody_can_read_are_a_fault_of_form():
    unread = replace(counts_of("wwww", terms=[ACCURACY]), unread=4, formatted=0)
    assert "no answer can be read from 4 of 4 completions, and 0 keep the tags" in verdict(unread).sentence


def test_a_reward_that_reads_the_reasoning_is_not_advised_where_it_is_there_already():
    judged = replace(counts_of("rrrr", terms=[ACCURACY]), varied={"accuracy": 0, "process": 0})
    assert verdict(judged).sentence.endswith("everything is right already: take harder questions.")


def test_a_group_too_small_for_its_accuracy_is_told_apart_from_answers_that_never_change():
    small = verdict(counts_of("rr", "ww", "ww", "ww", "ww", "ww", terms=[ACCURACY]))
    assert "at an accuracy of 0.17 groups of 2 are all right or all wrong with probability 0.72" in small.sentence
    assert "stage.group_size=4 or easier questions" in small.sentence


def test_right_and_wrong_answers_that_are_paid_alike_are_a_fault_of_the_reward():
    found = verdict(counts_of("rrww", "rwww", terms=[FORMAT]))
    assert found.signal is Signal.NONE
    assert "right and wrong answers are paid alike, and 2 of 2 groups have both" in found.sentence


@pytest.mark.parametrize(("accuracy", "size"), [(0.3, 2), (0.5, 4), (0.9, 8)])
def test_the_share_of_groups_that_are_alike_is_that_of_all_outcomes_enumerated(accuracy, size):
    outcomes = list(product([0, 1], repeat=size))
    alike = [accuracy ** sum(o) * (1 - accuracy) ** (size - sum(o)) for o in outcomes if len(set(o)) == 1]
    assert alike_share(accuracy, size) == pytest.approx(sum(alike), rel=1e-12)


def test_a_pair_at_an_even_chance_is_alike_half_of_the_time():
    assert alike_share(0.5, 2) == 0.5
    assert alike_share(0.0, 8) == alike_share(1.0, 8) == 1.0
