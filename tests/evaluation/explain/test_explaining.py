"""Whole explanations of known subjects: one that follows the true region, and one that is blind."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest
from known_subjects import BlindSubject, BrightnessSubject, KnownRegion, questions

from pathvlm_r1.evaluation.explain import (
    METHODS,
    Explainer,
    ExplainSettings,
    attention_sentences,
    explanations_markdown,
    overlay_png,
    regions_sentence,
    summarise_explanations,
    validation,
)
from pathvlm_r1.evaluation.explain.checks import check_map
from pathvlm_r1.evaluation.explain.explaining import margins
from pathvlm_r1.evaluation.explain.regions import placement
from pathvlm_r1.evaluation.forced_choice import margin

SETTINGS = ExplainSettings(
    methods=METHODS, masks=64, grid=5, blur=0.2, shares=(0.05, 0.1), shifts=3, pieces=(4,), max_region=0.5, seed=0
)
N = 16


def explained(subject, count=N, settings=SETTINGS, asked=None):
    return [one for one, _ in Explainer(subject, settings)(questions(count) if asked is None else asked)]


@cache
def seen_and_blind():
    """Explanations of the subject that follows the region, and of one that is the same for all pictures."""
    return explained(BrightnessSubject()), explained(BlindSubject())


def summary(found):
    return summarise_explanations(found, seed=0, replicates=500)


def row_of(found, method):
    return next(row for row in summary(found).methods if row.method == method)


@pytest.mark.medium
def test_rise_finds_the_region_that_a_subject_follows_and_passes_its_checks():
    found, _ = seen_and_blind()
    row = row_of(found, "rise")
    assert row.pointing.value == 1
    assert row.is_validated
    assert row.energy_gain.low > 0.1
    assert row.n == row.n_regions == N
    assert (row.area, summary(found).accuracy) == (pytest.approx(14 * 14 / (56 * 84)), 1)


def test_a_map_that_knows_nothing_of_a_subject_that_sees_is_worth_chance():
    random_alone = replace(SETTINGS, methods=("random",), pieces=())
    row = row_of(explained(BrightnessSubject(), 60, random_alone), "random")
    assert not row.is_validated
    assert row.energy_gain.low < 0 < row.energy_gain.high


@pytest.mark.medium
def test_maps_of_a_blind_subject_that_answers_at_random_are_worth_chance_and_not_validated():
    row = row_of(explained(BlindSubject(noise=1.0), 40, replace(SETTINGS, methods=("rise",), pieces=())), "rise")
    assert not row.is_validated
    assert row.energy.low < row.area < row.energy.high
    assert row.energy_gain.low < 0 < row.energy_gain.high


def test_maps_of_a_blind_subject_that_is_always_the_same_have_the_area_of_the_regions():
    row = row_of(seen_and_blind()[1], "rise")
    assert not row.is_validated
    assert row.energy.value == pytest.approx(row.area)
    assert row.pointing.value == pytest.approx(row.area)


def test_a_validated_map_that_is_laid_beside_the_region_is_caught():
    """The wrong version: a map moved by half the picture, as a transposed or mirrored grid would be."""
    subject, (sample,) = BrightnessSubject(), questions(1)
    region, picture = sample.region.load(), subject.as_seen(sample)
    wrong = np.roll(region * 1.0, (28, 42), axis=(0, 1))

    def score(pictures):
        return subject.log_probs(sample, pictures)[:, 0]

    check = check_map(wrong, picture, score, shares=(0.05,), shifts=[(-28, -42), (14, 20)])
    assert check.deletion_advantage < 0
    assert placement(wrong, region).pointing == 0


def test_other_pictures_take_the_margin_of_a_subject_that_sees_and_nothing_of_a_blind_one():
    found, blind = map(summary, seen_and_blind())
    seeing = {row.control: row for row in found.controls}
    assert set(seeing) == {"shuffled 4 x 4", "another picture"}
    assert all(row.margin_drop.low > 0 and row.n == N for row in seeing.values())
    assert seeing["another picture"].margin == pytest.approx(found.margin - seeing["another picture"].margin_drop.value)
    for row in blind.controls:
        assert (row.margin_drop.value, row.accuracy_drop.value) == (0, 0)


@pytest.mark.medium
def test_a_question_does_not_depend_on_those_before_it_but_for_the_picture_that_stands_in():
    asked = questions(8)
    alone, among = explained(BrightnessSubject(), asked=asked[3:4]), explained(BrightnessSubject(), asked=asked)
    assert alone[0].maps == among[3].maps
    assert alone[0].controls == {"shuffled 4 x 4": among[3].controls["shuffled 4 x 4"]}
    assert among == explained(BrightnessSubject(), asked=asked)


def test_regions_that_are_empty_or_nearly_everywhere_say_nothing_and_the_rest_is_measured():
    asked = questions(4)
    for place, mask in enumerate((np.zeros((56, 84), bool), np.ones((56, 84), bool))):
        asked[place] = replace(asked[place], region=KnownRegion(mask))
    asked[2] = replace(asked[2], region=None)
    subject = BlindSubject()
    found = explained(subject, asked=asked)
    assert [one.maps["rise"].placement is None for one in found] == [True, True, True, False]
    assert row_of(found, "rise").n_regions == 1
    assert row_of(found, "rise").pointing.low is None, "one picture says nothing of others"
    assert "1 of 4 questions have a region" in regions_sentence(summary(found))
    without = summary(found[:3])
    assert without.methods[0].pointing is None
    assert "None of 3 questions has a region" in explanations_markdown(without, "asked")


def test_a_smaller_or_larger_region_is_fitted_to_the_picture():
    (sample,) = questions(1)
    twice = np.kron(sample.region.load(), np.ones((2, 2))).astype(bool)
    larger = replace(sample, region=KnownRegion(twice))
    drawings = [next(Explainer(BlindSubject(), SETTINGS)([one]))[1] for one in (sample, larger)]
    assert np.array_equal(drawings[0].region, drawings[1].region)


def test_only_what_is_asked_for_is_made():
    subject = BrightnessSubject()
    (one,) = explained(subject, 1, replace(SETTINGS, methods=("random",), pieces=()))
    assert set(one.maps) == {"random"}
    assert subject.asked == [2 * 2 * 4, 1], "one check and the picture itself"


def test_attention_never_stands_without_its_checks():
    found = summary(seen_and_blind()[1])
    sentences = attention_sentences(found)
    assert [sentence.partition(":")[0] for sentence in sentences] == ["attention", "rollout"]
    assert all("not validated, deletion +0.000 [+0.000, +0.000]" in sentence for sentence in sentences)
    text = explanations_markdown(found, "asked")
    assert all(sentence in text for sentence in sentences)
    assert "| random | +0.000 [+0.000, +0.000] | +0.000 [+0.000, +0.000] | not validated |" in text


@pytest.mark.medium
def test_an_overlay_is_a_picture_and_the_same_at_every_drawing():
    verdicts = {row.method: validation(row) for row in summary(seen_and_blind()[1]).methods}
    (pair,) = list(Explainer(BrightnessSubject(), SETTINGS)(questions(1)))
    png = overlay_png(*pair, verdicts)
    assert png.startswith(b"\x89PNG")
    assert png == overlay_png(*pair, verdicts)


def test_margins_are_those_of_forced_choice_for_every_option():
    log_probs = np.random.default_rng(0).standard_normal((5, 4)) * 30
    expected = [[margin(row, option) for option in range(4)] for row in log_probs.tolist()]
    assert np.allclose(margins(log_probs), expected, rtol=1e-12, atol=1e-12)
