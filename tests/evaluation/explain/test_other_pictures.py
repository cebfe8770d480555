"""Shuffled and substituted pictures: what they keep, and whom they may come from."""

from dataclasses import replace

import numpy as np
import pytest
from known_subjects import questions

from pathvlm_r1.evaluation.explain.controls import appearance, most_similar, patch_shuffled
from pathvlm_r1.evaluation.explain.explaining import substitutes

PIXELS = np.random.default_rng(0).integers(0, 256, (50, 85, 3), dtype=np.uint8)


@pytest.mark.parametrize("pieces", [2, 4, 16])
def test_a_shuffled_picture_has_the_same_pieces_in_other_places_and_its_edges_untouched(pieces):
    shuffled = patch_shuffled(PIXELS, pieces, np.random.default_rng(2))
    height, width = 50 // pieces, 85 // pieces

    def tiles(picture):
        return [
            picture[y * height : (y + 1) * height, x * width : (x + 1) * width].tobytes()
            for y in range(pieces)
            for x in range(pieces)
        ]

    assert sorted(tiles(shuffled)) == sorted(tiles(PIXELS))
    assert tiles(shuffled) != tiles(PIXELS)
    assert np.array_equal(shuffled[height * pieces :], PIXELS[height * pieces :])
    assert np.array_equal(shuffled[:, width * pieces :], PIXELS[:, width * pieces :])


def test_pieces_smaller_than_a_pixel_are_refused():
    with pytest.raises(ValueError, match="pieces is 51: from 1 to the 50 pixels"):
        patch_shuffled(PIXELS, 51, np.random.default_rng(0))


def test_the_most_similar_picture_is_the_one_of_like_colours_and_sides():
    bright, dark, wide = (np.full(size, level, dtype=np.uint8) for size, level in
                          (((40, 40, 3), 200), ((40, 40, 3), 30), ((40, 80, 3), 200)))  # fmt: skip
    own = np.full((40, 40, 3), 190, dtype=np.uint8)
    found = np.stack([appearance(picture) for picture in (own, dark, wide, bright)])
    assert most_similar(found, 0, [1, 2, 3]) == 3
    assert most_similar(found, 0, [1, 2]) == 2
    assert most_similar(found, 0, []) is None


def test_a_substitute_has_another_picture_and_another_right_option_under_the_same_letter_if_there_is_one():
    asked = questions(7)  # right letters A, B, C in turn, each with an option of its own
    assert substitutes(asked, 0) == [3, 6]
    asked[3] = replace(asked[3], options=asked[0].options)  # the same is right there
    asked[6] = replace(asked[6], image_id=asked[0].image_id)
    assert substitutes(asked, 0) == [1, 2, 4, 5]
    assert substitutes(asked[:1], 0) == []
