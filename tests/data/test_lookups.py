"""The lessons in looking up letters: the list alone tells the letter."""

from itertools import islice

import numpy as np
import pytest

from pathvlm_r1.data.lookups import LESSONS, look_ups

WORDS = [f"word{i}" for i in range(40)]


def drawn(lesson, count=200):
    return list(islice(look_ups(lesson, WORDS, np.random.default_rng(3)), count))


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_letter_is_the_one_that_the_list_gives_to_the_named_option(lesson):
    for task in drawn(lesson):
        *listed, question = task.text.split("\n")
        by_letter = dict(line.split(") ", 1) for line in listed)
        assert len(by_letter) == lesson.options, "every option has a letter of its own"
        asked = question.rpartition("This is ")[2].removesuffix(" (")
        assert by_letter[task.letter] == asked


@pytest.mark.parametrize("lesson", LESSONS)
def test_neither_the_place_in_the_list_nor_the_letter_tells(lesson):
    tasks = drawn(lesson, 2000)
    letters = [task.letter for task in tasks]
    assert all(abs(letters.count(letter) / 2000 - 1 / 4) < 0.05 for letter in "ABCD")
    first = sum(task.text.startswith(task.letter) for task in tasks)
    assert abs(first / 2000 - 1 / lesson.options) < 0.05


def test_filler_stands_between_the_list_and_the_question_of_the_last_lesson_only():
    with_filler = [any("The image shows" in task.text for task in drawn(lesson)) for lesson in LESSONS]
    assert with_filler == [False, False, False, True]
