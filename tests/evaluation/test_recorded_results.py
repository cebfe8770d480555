"""The recorded studies: what stands in results.json is what the committed items give."""

import json
from pathlib import Path

import numpy as np
import pytest
from evaluated_runs import study as drawn_study

from pathvlm_r1.evaluation import cluster_bootstrap, comparisons_from_items, read_items, write_report

pytestmark = pytest.mark.medium

EXPERIMENTS = Path(__file__).parents[2] / "experiments"
STUDIES = sorted(path.parent.name for path in EXPERIMENTS.glob("*/results.json"))
DRAWN = "drawn"  # a study of no experiment: the checks themselves are run, however many are recorded
SEED, REPLICATES = 0, 10_000  # as in conf/report.yaml


@pytest.fixture(scope="module", params=[DRAWN, *STUDIES])
def study(request, tmp_path_factory):
    """A folder with items.csv, and its results.json."""
    folder = EXPERIMENTS / request.param
    if request.param == DRAWN:
        folder = tmp_path_factory.mktemp(DRAWN)
        write_report(drawn_study(folder, seeds=(0, 1)), folder, seed=SEED, replicates=REPLICATES)
        (folder / "summary.json").rename(folder / "results.json")
    return folder, json.loads((folder / "results.json").read_text())


def in_domain(results, table):
    """The rows of a table that items.csv is of."""
    found = [row for row in results[table] if (row["dataset"], row["split"]) == (results["in_domain"], "test")]
    assert found
    return found


def items_of(folder, row):
    """Those of a row: of one seed, or of all that a mean is over."""
    seeds = row["seeds"] if "seeds" in row else [row["seed"]]
    return [item for item in read_items(folder / "items.csv") if item.arm == row["stage"] and item.seed in seeds]


def test_every_comparison_in_domain_follows_from_the_items(study):
    folder, results = study
    computed = comparisons_from_items(
        folder / "items.csv", dataset=results["in_domain"], seed=SEED, replicates=REPLICATES
    )
    recorded = in_domain(results, "comparisons")
    assert json.loads(json.dumps([comparison.as_json() for comparison in computed])) == recorded


def test_every_accuracy_in_domain_is_the_mean_of_the_items(study):
    folder, results = study
    for row in (*in_domain(results, "rows"), *in_domain(results, "arms")):
        correct = [item.correct for item in items_of(folder, row)]
        assert len(correct) == row["n"] * len(row.get("seeds", [0]))
        assert row["accuracy"] == pytest.approx(sum(correct) / len(correct), rel=1e-12)


def test_every_process_score_in_domain_is_the_mean_of_the_items_with_a_verdict(study):
    folder, results = study
    for row in (*in_domain(results, "rows"), *in_domain(results, "arms")):
        verdicts = [item.process for item in items_of(folder, row) if item.process is not None]
        expected = sum(verdicts) / len(verdicts) if verdicts else None
        assert row["process_score"] == (expected if expected is None else pytest.approx(expected, rel=1e-12))


def test_every_interval_of_a_mean_process_score_in_domain_is_the_image_bootstrap_of_the_items(study):
    folder, results = study
    for arm in in_domain(results, "arms"):
        judged = [item for item in items_of(folder, arm) if item.process is not None]
        images = [item.image_id for item in judged]
        if len(set(images)) < 2:
            assert (arm["process_low"], arm["process_high"]) == (None, None)
            continue
        interval = cluster_bootstrap(
            np.array([item.process for item in judged]), images, random=np.random.default_rng(SEED),
            replicates=REPLICATES,
        )  # fmt: skip
        assert (arm["process_low"], arm["process_high"]) == pytest.approx((interval.low, interval.high), rel=1e-12)
