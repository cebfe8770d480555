"""Deletion and retention: what a true map gains over shifted shapes, and what a map that knows nothing does not."""

import numpy as np
import pytest
from known_subjects import SIZE, questions, square

from pathvlm_r1.evaluation.explain.checks import check_map, drawn_shifts, highest
from pathvlm_r1.evaluation.explain.pictures import kept

REGION = square(10, 30)
SHIFTS = drawn_shifts(np.random.default_rng(0), 5, SIZE)


def picture():
    pixels = np.full((*SIZE, 3), 50, dtype=np.uint8)
    pixels[REGION] = 250
    return pixels


def brightness(pictures):
    return np.array([float(one[REGION].mean()) for one in pictures])


def test_a_true_map_wins_both_checks_and_its_opposite_neither():
    share = float(REGION.mean())
    for values, sign in ((REGION * 1.0, 1), (-1.0 * REGION, -1)):
        found = check_map(values, picture(), brightness, shares=(share, 2 * share), shifts=SHIFTS)
        assert sign * found.deletion_advantage >= 0
        assert sign * found.retention_advantage >= 0
        if sign > 0:
            assert found.deletion_advantage > 100
            assert found.retention_advantage > 50


def test_the_curves_are_the_scores_of_the_pictures_that_are_shown():
    share = float(REGION.mean())
    found = check_map(REGION * 1.0, picture(), brightness, shares=(share,), shifts=SHIFTS)
    colour = float(np.rint(picture().mean()))
    assert found.deletion.own == (pytest.approx(colour),), "all of the region has the mean colour"
    assert found.retention.own == (250.0,)
    by_hand = [brightness([kept(picture(), ~np.roll(REGION, by, (0, 1)))])[0] for by in SHIFTS]
    assert found.deletion.shifted == (pytest.approx(np.mean(by_hand)),)


def test_a_score_that_sees_nothing_gives_no_map_an_advantage():
    found = check_map(REGION * 1.0, picture(), lambda pictures: np.ones(len(pictures)), shares=(0.2,), shifts=SHIFTS)
    assert (found.deletion_advantage, found.retention_advantage) == (0.0, 0.0)


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
def test_the_highest_places_are_a_share_of_the_area_and_none_outside_is_higher(share):
    values = np.random.default_rng(0).standard_normal(SIZE)
    mask = highest(values, share)
    assert mask.sum() == round(share * values.size)
    assert values[mask].min() > values[~mask].max()
    assert highest(np.zeros(SIZE), share).sum() == round(share * values.size), "equal values are ordered too"


def test_shifts_move_by_a_quarter_to_three_quarters_of_each_side():
    shifts = np.array(drawn_shifts(np.random.default_rng(1), 500, SIZE))
    for axis, side in enumerate(SIZE):
        assert shifts[:, axis].min() == side // 4
        assert shifts[:, axis].max() == side - side // 4


def test_what_is_not_kept_has_the_mean_colour_of_the_picture():
    pixels = np.asarray(questions(1)[0].images[0].load())
    shown = kept(pixels, REGION)
    assert np.array_equal(shown[REGION], pixels[REGION])
    assert np.array_equal(np.unique(shown[~REGION], axis=0)[0], np.rint(pixels.mean(axis=(0, 1))))
