"""Options within a question's text: taken out whole, or refused, and none where there is no list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathvlm_r1.data.records import RecordFault, lettered_question

TEXTS = ("Whorled", "Nested (see B above)", "Both A and C", "grade 2")


@pytest.mark.parametrize(
    "text",
    [
        "Which?\nOptions:\nA) {}\nB) {}\nC) {}\nD) {}",
        "Which?\nOptions: \nA. {}\nB. {}\nC. {}\nD. {}",
        "Which?\n(A) {}\n(B) {}\n(C) {}\n(D) {}\n",
        "Which? A) {} B) {} C) {} D) {}",
        "Which? A) {} B) {}\tC) {} D) {}",
        "Which? A){}, B){}, C){}, D){}",
        "Which? Answer Choices: (A) {} (B) {} (C) {} (D) {}",
        "Which?\nA: {}\nB: {}\nC: {}\nD: {}",
    ],
)
def test_the_usual_ways_of_writing_a_list(text):
    found = lettered_question(text.format(*TEXTS))
    assert (found.question, found.options, found.rest) == ("Which?", TEXTS, "")


def test_an_instruction_behind_the_options_is_no_part_of_the_last_one():
    found = lettered_question("Which?\nA) x\nB) y\nAnswer with the option's letter.")
    assert (found.options, found.rest) == (("x", "y"), "Answer with the option's letter.")


def test_a_text_that_is_nothing_but_a_list_has_no_question():
    assert lettered_question("A) x B) y").question == ""
    assert lettered_question("A) x B) y").options == ("x", "y")


def test_a_mention_before_the_list_is_the_questions():
    found = lettered_question("Between A) and the rest: which? A) x B) y")
    assert (found.question, found.options) == ("Between A) and the rest: which?", ("x", "y"))


@pytest.mark.parametrize(
    "text", ["Which?", "Vitamin A. or vitamin B. is it?", "Is it A) only?", "", "In hepatitis A: why?"]
)
def test_a_text_without_a_list_is_left_as_it_is(text):
    assert (lettered_question(text).question, lettered_question(text).options) == (text, ())


@pytest.mark.parametrize(
    "text", ["Which? A) both A) and B) B) none", "Which? A) x B) y D) z", "Which?\nA) x\nB) y\nB) z"]
)
def test_a_letter_twice_or_out_of_order_is_refused(text):
    with pytest.raises(RecordFault, match="it cannot be told where an option ends"):
        lettered_question(text)


@given(st.text(max_size=60))
def test_any_text_is_taken_apart_or_refused_and_no_letter_gets_lost(text):
    try:
        found = lettered_question(text)
    except RecordFault:
        return
    if not found.options:
        assert found.question == text.strip()
