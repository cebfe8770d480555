"""RISE against a scorer whose region is known, and against what its formula gives by hand."""

import numpy as np
import pytest
from known_subjects import SIDE, SIZE, square

from pathvlm_r1.evaluation.explain.rise import rise_maps, soft_masks


def masks(count=256, seed=0, grid=5):
    return soft_masks(np.random.default_rng(seed), count=count, grid=grid, size=SIZE)


def test_every_mask_is_followed_by_its_complement_so_that_all_pixels_are_seen_equally_often():
    drawn = masks()
    assert drawn.shape == (256, *SIZE)
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert np.allclose(drawn[0::2] + drawn[1::2], 1)
    assert np.allclose(drawn.mean(axis=0), 0.5)
    assert 0.1 < drawn.std() < 0.5, "soft, and not all alike"
    assert not np.array_equal(drawn[0], drawn[2])


def test_no_place_gets_stronger_masks_than_another():
    spread = masks(4000).std(axis=0)
    assert spread.max() / spread.min() < 1.1, "2,000 independent draws: three standard errors are 5 %"


def test_masks_follow_from_their_generator():
    assert np.array_equal(masks(seed=4), masks(seed=4))
    assert not np.array_equal(masks(seed=4), masks(seed=5))


@pytest.mark.parametrize(("top", "left"), [(0, 0), (20, 50), (SIZE[0] - SIDE, SIZE[1] - SIDE), (10, 5)])
def test_the_map_of_a_scorer_that_follows_one_region_is_highest_there_and_lowest_for_the_opposite_option(top, left):
    region, drawn = square(top, left), masks(512)
    seen = drawn[:, region].mean(axis=1, dtype=np.float64)
    own, opposite = rise_maps(drawn, np.stack([seen, 3 - seen], axis=1))
    assert region[np.unravel_index(own.argmax(), SIZE)]
    assert region[np.unravel_index(opposite.argmin(), SIZE)]
    assert np.allclose(own, -opposite)
    assert own[region].mean() > 5 * np.abs(own[~region]).mean()


def test_a_map_is_the_formula_in_plain_python():
    drawn, scores = masks(8), np.random.default_rng(1).standard_normal((8, 2))
    found = rise_maps(drawn, scores)
    for option in range(2):
        mean = sum(scores[:, option]) / 8
        for y, x in ((0, 0), (17, 40), (55, 83)):
            weighted = sum((scores[i, option] - mean) * float(drawn[i, y, x]) for i in range(8))
            assert found[option, y, x] == pytest.approx(weighted / sum(float(drawn[i, y, x]) for i in range(8)))


def test_a_constant_added_to_all_scores_changes_nothing_and_equal_scores_give_an_empty_map():
    drawn, scores = masks(16), np.random.default_rng(1).standard_normal((16, 1))
    assert np.allclose(rise_maps(drawn, scores + 100), rise_maps(drawn, scores))
    assert not rise_maps(drawn, np.full((16, 1), 0.1)).any()


@pytest.mark.parametrize(
    ("count", "grid", "message"), [(3, 5, "count is 3: masks come in pairs"), (2, 57, "grid is 57: from 1 to the 56")]
)
def test_masks_that_cannot_be_drawn_are_refused(count, grid, message):
    with pytest.raises(ValueError, match=message):
        masks(count, grid=grid)
