"""Simulated coverage of every interval, and how often the tests find what is not there."""

import json
import logging
from pathlib import Path

import pytest
from simulated_coverage import SIMULATIONS, Simulation, of_images, simulated

RECORDED = Path(__file__).parents[2] / "experiments" / "coverage" / "coverage.json"
LOG = logging.getLogger(__name__)


@pytest.mark.slow
@pytest.mark.parametrize("simulation", SIMULATIONS, ids=lambda simulation: simulation.name)
def test_an_interval_covers_and_a_test_is_silent_as_often_as_it_says(simulation):
    found = simulated(simulation)
    LOG.info("%s", found)  # shown by pytest --log-cli-level=INFO
    if simulation.kind == "alarms":
        assert found.low <= simulation.at_most
    elif simulation.at_least is None:
        assert 0.7 < found.share < 0.93, "as short as the docstring of hierarchical_interval warns"
    else:
        assert found.share >= simulation.at_least


@pytest.mark.slow
def test_a_bootstrap_of_items_is_caught_by_its_coverage():
    wrong = Simulation("items for images", 300, of_images(200, by_item=True))
    assert simulated(wrong).share < 0.93


def test_the_recorded_coverage_is_of_these_simulations_and_keeps_their_bounds():
    recorded = {row["name"]: row for row in json.loads(RECORDED.read_text())["shares"]}
    assert list(recorded) == [simulation.name for simulation in SIMULATIONS]
    for simulation in SIMULATIONS:
        row = recorded[simulation.name]
        assert row["simulations"] == simulation.simulations
        assert row["low"] <= row["share"] <= row["high"]
        if simulation.kind == "coverage" and simulation.at_least is not None:
            assert row["share"] >= simulation.at_least
        if simulation.kind == "alarms":
            assert row["low"] <= simulation.at_most


def test_a_simulation_gives_the_same_share_again():
    assert simulated(SIMULATIONS[0], 50) == simulated(SIMULATIONS[0], 50)
