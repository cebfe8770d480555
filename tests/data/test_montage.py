"""Several pictures as one: each whole, in its place."""

import numpy as np
import pytest
from PIL import Image

from pathvlm_r1.data import montage

SIZES = [(20, 10), (12, 30), (8, 8), (20, 30), (5, 3)]


def test_one_picture_is_left_as_it_is():
    picture = Image.new("RGB", (7, 5), "red")
    assert montage([picture]) is picture


@pytest.mark.parametrize("count", [2, 3, 4, 5])
def test_every_picture_stands_whole_in_its_cell(count):
    random = np.random.default_rng(count)
    values = [random.integers(0, 255, (height, width, 3), dtype=np.uint8) for width, height in SIZES[:count]]
    whole = np.asarray(montage([Image.fromarray(one) for one in values]))
    columns = 2 if count <= 4 else 3
    assert whole.shape == (30 * -(-count // columns), 20 * columns, 3)
    for place, one in enumerate(values):
        top, left = 30 * (place // columns), 20 * (place % columns)
        assert np.array_equal(whole[top : top + one.shape[0], left : left + one.shape[1]], one)
