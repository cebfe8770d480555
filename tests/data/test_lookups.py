"""The lessons in looking up letters: the list alone tells the letter."""

from itertools import islice

import numpy as np
import pytest
from tiny import tiny_encoder

from pathvlm_r1.data.lookups import LESSONS, look_ups

WORDS = [f"word{i}" for i in range(40)]


def drawn(lesson, count=200):
    return list(islice(look_ups(lesson, WORDS, np.random.default_rng(3)), count))


def text_of(task):
    return "".join(text for text, _ in task.pieces)


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_letter_is_the_one_that_the_list_gives_to_the_named_option(lesson):
    for task in drawn(lesson):
        *listed, question = text_of(task).split("\n")
        by_letter = dict(line.split(") ", 1) for line in listed)
        assert len(by_letter) == lesson.options, "every option has a letter of its own"
        asked = question.rpartition("This is ")[2].removesuffix(" (")
        right = next(letter for letter, name in by_letter.items() if name == asked)
        assert [letter for _, letter in task.pieces] == [*by_letter, right, right]


@pytest.mark.parametrize("lesson", LESSONS)
def test_neither_the_place_in_the_list_nor_the_letter_tells(lesson):
    tasks = drawn(lesson, 2000)
    letters = [task.pieces[-1][1] for task in tasks]
    assert all(abs(letters.count(letter) / 2000 - 1 / 4) < 0.05 for letter in "ABCD")
    first = sum(text_of(task).startswith(letter) for task, letter in zip(tasks, letters, strict=True))
    assert abs(first / 2000 - 1 / lesson.options) < 0.05


def test_filler_stands_between_the_list_and_the_question_of_the_last_lesson_only():
    with_filler = [any("The image shows" in text_of(task) for task in drawn(lesson)) for lesson in LESSONS]
    assert with_filler == [False, False, False, False, True]


@pytest.mark.parametrize("lesson", LESSONS)
def test_the_pieces_have_the_tokens_of_the_whole(lesson):
    tokenize = tiny_encoder().tokenizer
    for task in drawn(lesson, 20):
        pieces = [token for text, _ in task.pieces for token in tokenize(text)["input_ids"]]
        assert pieces == tokenize(text_of(task))["input_ids"]
