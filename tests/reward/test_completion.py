import pytest
from graded_groups import SAMPLES, graded

from pathvlm_r1.reward import Completion, FinishReason


def saying(text):
    return Completion(SAMPLES[0], text, FinishReason.STOP, 1)


def test_a_completion_is_capped_where_the_limit_of_tokens_ended_it():
    assert graded("c", SAMPLES[0]).is_capped
    assert not graded("r", SAMPLES[0]).is_capped


def test_a_completion_without_text_is_empty():
    assert saying("").is_empty
    assert saying(" \n\t").is_empty
    assert not saying(".").is_empty


@pytest.mark.parametrize(
    ("text", "is_looping"),
    [
        ("no no no", True),
        ("no no", False),
        ("the cell the cell the cell", True),
        ("it is a b c d e f it is a b c d e f it is a b c d e f", True),  # a run of eight
        ("it is a b c d e f g it is a b c d e f g it is a b c d e f g", False),  # of nine
        ("first it is so it is so it is so and done", True),
        ("the cell and the cell or the cell", False),
        ("", False),
    ],
)
def test_words_that_follow_themselves_three_times_are_a_loop(text, is_looping):
    assert saying(text).is_looping == is_looping


def test_a_loop_of_some_other_length_than_its_period_does_not_count_twice():
    """The wrong version: repeats counted over the whole text and not in a row."""
    assert not saying("a b a b x y a b").is_looping
