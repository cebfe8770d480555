"""Text-only floors: what is leaked is seen, by the rule that it is leaked to; what is not, is not."""

from dataclasses import replace

import numpy as np
import pytest
from leaky_phantoms import LEAKS, leaky_phantoms, sound_phantoms

from pathvlm_r1.data.integrity import floors
from pathvlm_r1.data.integrity.text_model import text_model_choices


def measured(samples, folds=4):
    return floors(samples, [sample.image_id for sample in samples], folds=folds, seed=0)


def test_sound_phantoms_give_nothing_away():
    found = measured(sound_phantoms())
    assert found.chance == pytest.approx(0.25, abs=0.02)
    assert all(abs(value - found.chance) < 0.12 for value in found.rules.values()), found.rules
    assert found.sentence.startswith("the text gives nothing away")
    assert found.letters_p > 0.01


@pytest.mark.medium
@pytest.mark.parametrize("rule", LEAKS)
def test_a_leak_is_seen_by_its_rule_and_said_in_words(rule):
    found = measured(leaky_phantoms(rule))
    assert found.rules[rule] > 0.7
    name, value = found.best
    assert f"{name} alone scores {value:.3f}" in found.sentence
    if value >= 0.9:
        assert "says nothing about looking at pictures" in found.sentence
    else:
        assert "only what exceeds that can come from the pictures" in found.sentence
    assert (found.letters_p < 1e-6) == (rule == "majority letter")


def test_rules_are_tried_on_other_images_than_they_learnt_from():
    one = sound_phantoms()[0]
    samples = [
        replace(one, sample_id=f"{image}/{again}", image_id=str(image), options=(f"{image}w", f"{image}r"), answer="B")
        for image in range(12)
        for again in range(3)
    ]  # fmt: skip
    letters = "AB" * 6
    turned = [
        sample if letters[int(sample.image_id)] == "B" else replace(sample, options=sample.options[::-1], answer="A")
        for sample in samples
    ]
    assert measured(turned).option_prior == pytest.approx(0.5), "its own image's options never stand in another fold"
    by_question = floors(turned, list(range(len(turned))), folds=4, seed=0)
    assert by_question.option_prior > 0.9, "the wrong version: folds of questions"


def test_open_questions_have_no_floor_and_are_counted():
    sound = sound_phantoms()[:20]
    opened = [replace(one, sample_id=f"o{one.sample_id}", options=("glands",), answer="A") for one in sound[:5]]
    assert measured(opened) is None
    assert measured([*sound, *opened]).open_questions == 5
    assert measured(sound[:1]) is None


@pytest.mark.medium
def test_letters_of_questions_with_fewer_options_are_weighed_by_what_there_is():
    sound = sound_phantoms()[:60]
    two = [replace(one, options=one.options[:2], answer="AB"[place % 2]) for place, one in enumerate(sound)]
    assert measured(two).letters_p == pytest.approx(1.0)
    assert measured(two).chance == 0.5


@pytest.mark.medium
def test_the_text_model_learns_a_rule_that_no_single_word_tells():
    one = sound_phantoms()[0]
    random = np.random.default_rng(0)
    organs, findings = ("liver", "lung", "colon"), ("steatosis", "emphysema", "polyp")
    samples = []
    for number in range(150):
        asked, order = int(random.integers(3)), random.permutation(3)
        samples.append(
            replace(
                one, sample_id=str(number), image_id=str(number), question=f"What does the {organs[asked]} show?",
                options=tuple(findings[place] for place in order), answer="ABC"[list(order).index(asked)],
            )
        )  # fmt: skip
    choices = text_model_choices(samples[:100], samples[100:])
    assert np.mean([s.answer == letter for s, letter in zip(samples[100:], choices, strict=True)]) > 0.95
    assert measured(samples).option_prior < 0.5, "the options alone do not tell"


def test_a_model_that_learnt_nothing_still_answers():
    sound = sound_phantoms()[:4]
    assert text_model_choices([], sound) == ["A"] * 4
