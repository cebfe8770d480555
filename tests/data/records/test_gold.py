"""Gold answers: one option and no other, however they are written."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.records import RecordFault, closed_or_open, gold_letter

OPTIONS = ("Whorled", "Nested (see C) above)", "Cords.", "B")
NUMBERS = ("1", "2", "3")


@pytest.mark.parametrize(
    ("gold", "letter"),
    [
        ("A", "A"), ("(A)", "A"), ("a", "A"), ("A.", "A"), ("A)", "A"), (" whorled ", "A"), ("A) Whorled", "A"),
        ("(C) cords", "C"), ("c. Cords", "C"), ("Nested (see C) above)", "B"), ("B) Nested (see C) above)", "B"),
        ("D) B", "D"),
    ],
)  # fmt: skip
def test_letter_text_or_both(gold, letter):
    assert gold_letter(gold, OPTIONS) == letter


def test_a_number_is_the_text_of_an_option_and_never_a_place():
    assert gold_letter(2, NUMBERS) == "B"
    with pytest.raises(RecordFault, match="'0' is none of A, B, C"):
        gold_letter(0, NUMBERS)


@given(st.permutations(["x", "y) z", "A", "(B)", "none"]))
def test_a_text_that_is_also_a_letter_is_one_answer_or_none(options):
    for index, text in enumerate(options):
        try:
            assert gold_letter(text, options) == "ABCDE"[index]
        except RecordFault as fault:
            assert fault.kind is DefectKind.GOLD_AMBIGUOUS  # noqa: PT017
            assert text in ("A", "(B)")


@pytest.mark.parametrize(
    ("gold", "kind", "message"),
    [
        (None, DefectKind.GOLD_MISSING, "no answer"),
        ("", DefectKind.GOLD_MISSING, "no answer"),
        ("E", DefectKind.GOLD_NOT_AN_OPTION, "'E' is none of A, B, C, D and no option's text"),
        ("Spindled", DefectKind.GOLD_NOT_AN_OPTION, "'Spindled' is none of"),
        (True, DefectKind.GOLD_NOT_AN_OPTION, "the answer is True"),
        (["A"], DefectKind.GOLD_NOT_AN_OPTION, "the answer is ['A']"),
        ("A) Cords", DefectKind.GOLD_CONTRADICTORY, "has the letter A and the text of option C"),
        ("A) Spindled", DefectKind.GOLD_CONTRADICTORY, "'A) Spindled', and option A is 'Whorled'"),
        ("B", DefectKind.GOLD_AMBIGUOUS, "fits options B and D"),
    ],
)
def test_what_is_no_one_option_is_refused_with_the_reason(gold, kind, message):
    with pytest.raises(RecordFault) as caught:
        gold_letter(gold, OPTIONS)
    assert caught.value.kind is kind
    assert message in str(caught.value)


def test_yes_and_no_close_a_question_in_one_order_and_all_else_leaves_it_open():
    assert closed_or_open("Yes") == (("yes", "no"), "A")
    assert closed_or_open("no.") == (("yes", "no"), "B")
    assert closed_or_open(" normal  tissue") == (("normal tissue",), "A")
    assert closed_or_open("not seen") == (("not seen",), "A")  # MedEvalKit takes this for a no
