"""Token F1 against the published metric, and what an open question makes of it."""

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, lists, sampled_from, text
from torchmetrics.functional.text import squad
from written_completions import CONTRACT, completion, open_question, phantom_samples

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.reward import Completion, FinishReason, OutcomeAccuracy, TextSimilarity, token_f1

SAMPLE = phantom_samples("ct", 2)[1]
OPEN = open_question(SAMPLE, "a dense mass in the left lung")
TERM = TextSimilarity()
WORDS = ["a", "The", "dense", "dense,", "mass", "lung!", "left", "-", "in", "an", "(mass)"]


def published_f1(answer, reference):
    """SQuAD's, from 0 to 1, by another implementation."""
    predicted = [{"prediction_text": answer, "id": "0"}]
    wanted = [{"answers": {"answer_start": [0], "text": [reference]}, "id": "0"}]
    return float(squad(predicted, wanted)["f1"]) / 100


@given(answer=lists(sampled_from(WORDS), max_size=8), reference=lists(sampled_from(WORDS), min_size=1, max_size=8))
def test_token_f1_is_that_of_squad(answer, reference):
    found = token_f1(" ".join(answer), " ".join(reference))
    assert found == pytest.approx(published_f1(" ".join(answer), " ".join(reference)), abs=1e-6)


@given(answer=text(max_size=60), reference=text(max_size=60))
def test_token_f1_is_a_symmetric_share_and_one_for_the_same_text(answer, reference):
    assert 0 <= token_f1(answer, reference) == token_f1(reference, answer) <= 1
    assert token_f1(answer, answer) == 1.0


@given(words=lists(sampled_from(["dense", "mass", "lung"]), min_size=1, max_size=6))
def test_a_word_that_is_not_the_references_never_raises_it(words):
    answer = " ".join(words)
    assert token_f1(f"{answer} cyst", "dense mass left lung") <= token_f1(answer, "dense mass left lung")


@pytest.mark.parametrize(
    ("answer", "value"),
    [
        ("a dense mass in the left lung", 1.0),
        ("Dense mass in left lung.", 1.0),
        ("dense mass", 4 / 7),
        ("cyst", 0.0),
        ("", 0.0),
    ],
)
def test_an_open_answer_is_worth_its_share_of_the_references_words(answer, value):
    assert TERM(completion(OPEN, "So.", answer or " ")).value == pytest.approx(value)


OTHERS = ["cyst", "or", "and", "/", "right", "mass", "not", ","]


@given(others=lists(sampled_from(OTHERS), min_size=1, max_size=6), first=booleans())
def test_two_answers_in_one_have_no_similarity_whichever_stands_first(others, first):
    """A reference among other words is a guess at several answers; joints without words join nothing."""
    other = " ".join(others)
    answer = f"{OPEN.options[0]} {other}" if first else f"{other} {OPEN.options[0]}"
    is_alone = not any(each.isalpha() for each in others)
    assert TERM(completion(OPEN, "So.", answer)).value == float(is_alone)


def test_answers_that_a_stroke_joins_are_two():
    """SQuAD's normalisation deletes the stroke, and would find one word less."""
    short = open_question(SAMPLE, "sharp border")
    for answer in ("globules/sharp border", "sharp_border_globules", "sharp border\u200bglobules"):
        assert TERM(completion(short, "So.", answer)).value == 0.0
    assert TERM(completion(open_question(SAMPLE, "B-cell lymphoma"), "So.", "B cell lymphoma")).value == 0.4


@pytest.mark.parametrize("text", ["dense mass", "", "<answer>dense mass", "<answer>mass</answer><answer>mass</answer>"])
def test_without_one_closed_answer_block_there_is_nothing_to_compare(text):
    score = TERM(Completion(OPEN, text, FinishReason.STOP, 1))
    assert (score.value, "exactly one" in score.reason) == (0.0, True)


def test_a_text_that_is_too_long_has_no_similarity():
    long = f"<think>{'x' * MAX_SCORED_CHARACTERS}</think><answer>{OPEN.options[0]}</answer>"
    assert TERM(Completion(OPEN, long, FinishReason.STOP, 1)).value == 0.0


def test_on_a_question_with_options_similarity_does_not_apply():
    """The letter with another option's text, or a text between two options, must not be paid in parts."""
    score = TERM(completion(SAMPLE, "So.", f"A) {SAMPLE.option(SAMPLE.answer)}"))
    assert (score.value, score.reason.split(":")[0]) == (None, "not applicable")


def test_accuracy_of_an_open_answer_is_its_exact_text_and_no_letter():
    accuracy = OutcomeAccuracy(CONTRACT, letter_and_text=False)
    answers = ["A dense mass in the left lung.", "a  dense mass in the LEFT lung", "A", "A) a dense mass", "dense mass"]
    assert [accuracy(completion(OPEN, "So.", answer)).value for answer in answers] == [1.0, 1.0, 0.0, 0.0, 0.0]
    assert accuracy(Completion(OPEN, "The answer is A", FinishReason.STOP, 1)).value == 0.0


WRITTEN_FOR_NOTHING = {
    "all words of the field": "mass cyst nodule lung liver left right dense lucent small large in the of",
    "the reference among other answers": "a dense mass in the left lung or a cyst or a nodule or an effusion",
    "the reference twice": "a dense mass in the left lung a dense mass in the left lung",
    "the reference and its denial": "a dense mass in the left lung, not a dense mass in the left lung",
    "articles": "a the an a the",
    "look-alikes": "d\u0435ns\u0435 m\u0430ss",
    "JSON": '{"answer": ["dense mass", "cyst"], "left lung": true}',
}


@pytest.mark.parametrize("answer", WRITTEN_FOR_NOTHING.values(), ids=WRITTEN_FOR_NOTHING)
def test_no_list_of_words_is_paid_like_the_answer(answer):
    assert TERM(completion(OPEN, "So.", answer)).value < 0.8 < TERM(completion(OPEN, "So.", OPEN.options[0])).value
