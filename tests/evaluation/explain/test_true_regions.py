"""Pointing and energy of maps whose place is known, and of maps that know nothing."""

import numpy as np
import pytest
from known_subjects import SIZE, square

from pathvlm_r1.evaluation.explain.regions import energy, placement, pointing

REGION = square(10, 30)
AREA = float(REGION.mean())


def test_a_map_of_the_region_itself_points_at_it_with_all_its_energy_and_its_opposite_with_none():
    assert placement(REGION * 2.0, REGION).pointing == 1
    assert placement(REGION * 2.0, REGION).energy == 1
    assert placement(REGION * 2.0, ~REGION).pointing == 0
    assert placement(REGION * 2.0, ~REGION).energy == 0


@pytest.mark.parametrize("level", [0.0, 0.7, -3.0])
def test_a_flat_map_is_worth_chance_whatever_its_level(level):
    flat = np.full(SIZE, level)
    assert pointing(flat, REGION) == pytest.approx(AREA)
    assert energy(flat, REGION) == pytest.approx(AREA)


def test_what_speaks_against_an_option_has_no_energy_for_it():
    values = np.where(REGION, 1.0, -5.0)
    assert energy(values, REGION) == 1
    values[0, 0] = 3.0
    assert energy(values, REGION) == pytest.approx(REGION.sum() / (REGION.sum() + 3))
    assert pointing(values, REGION) == 0


def test_of_two_highest_pixels_the_share_within_counts():
    values = np.zeros(SIZE)
    values[0, 0] = values[12, 32] = 1
    assert pointing(values, REGION) == 0.5
