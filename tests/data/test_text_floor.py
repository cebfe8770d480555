"""The text-only floor: known answers, and that it catches a set which text gives away."""

from __future__ import annotations

from pathlib import Path

import pytest

from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.sample import Sample
from pathvlm_r1.data.text_floor import text_only_floor


def sample(options: tuple[str, ...], answer: str, question_type: str = "count") -> Sample:
    return Sample(
        sample_id=f"{options}{answer}",
        image_id="one",
        dataset="written",
        question_type=question_type,
        question="How many?",
        options=options,
        answer=answer,
        rationale="",
        images=(FileImage(Path("never opened")),),
    )


def test_the_option_that_was_most_often_right_is_chosen_whatever_its_letter():
    train = [sample(("none", "one"), "A"), sample(("one", "none"), "B"), sample(("none", "one"), "B")]
    test = [sample(("one", "none"), "B"), sample(("none", "one"), "A"), sample(("one", "none"), "A")]
    assert text_only_floor(train, test).option_text == pytest.approx(2 / 3)


def test_copies_of_a_text_are_one_whatever_their_case_spaces_and_final_stop():
    train, test = [sample(("Adenoma  .", "cyst"), "A")], [sample(("cyst", "adenoma"), "B")]
    assert text_only_floor(train, test).option_text == 1


def test_the_majority_letter_is_chosen_whatever_its_text():
    train = [sample(("x", "y"), "B"), sample(("x", "y"), "B"), sample(("x", "y"), "A")]
    test = [sample(("p", "q"), "B"), sample(("p", "q"), "A"), sample(("p", "q"), "B"), sample(("p", "q"), "B")]
    floor = text_only_floor(train, test)
    assert floor.majority_letter == pytest.approx(3 / 4)
    assert floor.option_text == floor.chance == 0.5
    assert floor.questions == 4


def test_nothing_learnt_is_chance_and_ties_count_as_drawing_among_the_tied():
    test = [sample(("a", "b", "c", "d"), "C"), sample(("a", "b"), "A")]
    nothing = text_only_floor([], test)
    assert nothing.option_text == nothing.majority_letter == nothing.chance == pytest.approx(3 / 8)
    tied = text_only_floor([sample(("a", "b", "c", "d"), "A"), sample(("a", "b", "c", "d"), "C")], test)
    assert tied.option_text == pytest.approx((1 / 2 + 1) / 2)


def test_question_types_do_not_learn_from_each_other():
    train = [sample(("yes", "no"), "A", "presence")] * 3
    test = [sample(("yes", "no"), "A", "grade")]
    assert text_only_floor(train, test).option_text == 0.5


def test_case_space_and_a_final_stop_do_not_hide_a_text():
    train = [sample(("Benign  image.", "malignant"), "A")]
    assert text_only_floor(train, [sample(("Malignant", "benign image"), "B")]).option_text == 1.0


def test_answers_as_skewed_as_bccds_platelets_are_caught():
    options = ("no platelet", "one platelet", "two platelets", "three or more platelets")
    train = [
        sample(options, letter) for letter, count in zip("ABCD", (88, 54, 45, 18), strict=True) for _ in range(count)
    ]
    test = [
        sample(options, letter) for letter, count in zip("ABCD", (33, 19, 13, 7), strict=True) for _ in range(count)
    ]
    floor = text_only_floor(train, test)
    assert floor.option_text == pytest.approx(33 / 72)
    assert floor.chance == 0.25


def test_no_test_question_is_refused():
    with pytest.raises(ValueError, match="test is empty"):
        text_only_floor([sample(("a", "b"), "A")], [])
