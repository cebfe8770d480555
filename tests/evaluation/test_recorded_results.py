"""The recorded studies: what stands in results.json is what the committed items give."""

import json
from pathlib import Path

import pytest

from pathvlm_r1.evaluation import comparisons_from_items, read_items

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/results.json"))
SEED, REPLICATES = 0, 10_000  # as in conf/report.yaml


@pytest.fixture(params=STUDIES)
def study(request):
    folder = EXPERIMENTS / request.param
    return folder, json.loads((folder / "results.json").read_text())


def test_every_comparison_in_domain_follows_from_the_items(study):
    folder, results = study
    computed = comparisons_from_items(
        folder / "items.csv", dataset=results["in_domain"], seed=SEED, replicates=REPLICATES
    )
    recorded = [row for row in results["comparisons"] if row["dataset"] == results["in_domain"]]
    assert json.loads(json.dumps([comparison.as_json() for comparison in computed])) == recorded


def test_every_accuracy_in_domain_is_the_mean_of_the_items(study):
    folder, results = study
    items = read_items(folder / "items.csv")
    for row in results["rows"]:
        if row["dataset"] == results["in_domain"]:
            correct = [item.correct for item in items if (item.arm, item.seed) == (row["stage"], row["seed"])]
            assert len(correct) == row["n"]
            assert row["accuracy"] == pytest.approx(sum(correct) / len(correct), rel=1e-12)
