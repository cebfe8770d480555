"""What a reasoning concludes, by sentences that a reader would agree on, and the term that holds the answer to it."""

import pytest
from hypothesis import given
from hypothesis.strategies import permutations, text
from written_completions import (
    CONTRACT,
    all_samples,
    completion,
    honest_wrong,
    open_question,
    phantom_samples,
    reference,
)

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.data.rationale import concludes
from pathvlm_r1.reward import AnswerConsistency, Completion, FinishReason, concluded

OPTIONS = ("adenoma", "adenocarcinoma", "tubular adenoma", "no mitoses", "3 or more")
TERM = AnswerConsistency(CONTRACT)
SAMPLE = phantom_samples("oct", 2)[1]
OTHER = next(letter for letter in SAMPLE.letters if letter != SAMPLE.answer)


@pytest.mark.parametrize(
    ("reasoning", "letters"),
    [
        ("This is adenoma.", "A"),
        ("this is  Tubular\n adenoma", "C"),
        ("The answer is B", "B"),
        ("Answer: B) adenocarcinoma.", "B"),
        ("The answer is B, because A has mitoses.", "B"),
        ("The answer is B because adenoma has none.", "B"),
        ("Option C is correct.", "C"),
        ("The nuclei are large; adenocarcinoma is the most likely diagnosis.", "B"),
        ("I conclude that there are no mitoses.", "D"),
        ("It must be 3 or more!", "E"),
        ("Thus adenoma is excluded, so this is adenocarcinoma.", "B"),
        ("This is not adenoma but adenocarcinoma.", "B"),
        ("This is adenocarcinoma, not adenoma.", "B"),
        ("This is adenoma. On second thoughts, this is adenocarcinoma.", "B"),
        ("The answer is B. So this is not adenoma.", "B"),
        ("Therefore I think of adenoma.", "A"),
        ("Therefore I cannot be the answer, and the answer is A", "A"),
        ("This is adenoma or adenocarcinoma.", "AB"),
        ("The diagnosis is A/B.", "AB"),
        ("The answer is either A, B or C.", "ABC"),
        ("This is adenoma. This is not adenoma.", ""),
        ("This is adenoma. Hence adenoma is ruled out.", ""),
    ],
)
def test_a_reasoning_concludes_the_option_that_it_names_last_and_does_not_deny(reasoning, letters):
    assert concluded(reasoning, OPTIONS) == set(letters)


@pytest.mark.parametrize(
    "reasoning",
    [
        "",
        "The image shows adenoma and 3 or more glands.",
        "By definition adenoma means glands.",
        "Here adenoma is excluded by glands.",
        "This is not adenoma.",
        "This is hard to say.",
        "The answer is F.",
        "This is adenomatous.",
        "B",
    ],
)
def test_what_is_only_named_excluded_or_denied_is_no_conclusion(reasoning):
    assert concluded(reasoning, OPTIONS) is None


@pytest.mark.parametrize("sample", all_samples()[::7], ids=lambda sample: sample.sample_id)
def test_references_and_honest_misreadings_conclude_what_they_answer(sample):
    assert TERM(reference(sample)).value == 1.0
    wrong = honest_wrong(sample)
    assert wrong is None or TERM(wrong).value == 1.0


def test_an_answer_other_than_the_conclusion_is_inconsistent_right_or_wrong():
    argued = concludes(SAMPLE.option(OTHER))
    assert [TERM(completion(SAMPLE, argued, letter)).value for letter in (SAMPLE.answer, OTHER)] == [0.0, 1.0]
    score = TERM(completion(SAMPLE, f"{concludes(SAMPLE.option(OTHER))} So the answer is {SAMPLE.answer} or {OTHER}."))
    assert score.value == 0.0
    both = " and ".join(sorted([SAMPLE.answer, OTHER]))
    assert score.reason == f"answered '{SAMPLE.answer}', concluded {both}"


def test_an_answer_that_cannot_be_read_is_consistent_with_no_conclusion():
    assert TERM(completion(SAMPLE, concludes(SAMPLE.option(OTHER)), "A or B")).value == 0.0


def test_consistency_does_not_apply_without_a_conclusion_or_without_options():
    assert TERM(completion(SAMPLE, "The image shows something.")).value is None
    assert TERM(completion(open_question(SAMPLE, "a mass"), "This is a mass.", "a mass")).value is None
    assert TERM(Completion(SAMPLE, "x" * (MAX_SCORED_CHARACTERS + 1), FinishReason.STOP, 1)).value == 0.0


@given(order=permutations(range(4)))
def test_the_order_and_the_letters_of_the_options_do_not_matter(order):
    options = tuple(OPTIONS[place] for place in order)
    for option in OPTIONS[:4]:
        assert concluded(concludes(option), options) == {"ABCD"[options.index(option)]}


@given(text(max_size=200))
def test_any_text_has_a_conclusion_or_none(written):
    found = concluded(written, OPTIONS)
    assert found is None or found <= set("ABCDE")
