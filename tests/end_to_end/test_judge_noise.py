"""The study of noisy judges, shortened: one parent for every judge, and a report of judged and true scores."""

import json

import pytest
from running import LIGHTNING_WARNINGS, TINY, entry, runs_below

pytestmark = LIGHTNING_WARNINGS

SHORT = ("trainer.max_steps=2", "stage.group_size=4", "stage.temperature=1.5", "stage.validation_samples=2")


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """The folder of a study whose first arm is not the oracle's."""
    folder = tmp_path_factory.mktemp("judge_noise")
    for judge in ("noisy_40", "oracle"):
        short = [value for value in TINY if value != "logger=csv"]
        outcome = entry("train", "experiment=judge_noise", f"judge={judge}", f"output={folder}", *short, *SHORT)
        assert outcome.status == 0, outcome.text
    return folder


def test_every_judges_arm_starts_from_one_parent_whose_validations_the_oracle_judges(output):
    manifests = [manifest for _, manifest in runs_below(output)]
    assert [manifest.arm for manifest in manifests] == ["sft", "grpo_noisy_40", "grpo_oracle"]
    assert [manifest.config["judge"]["name"] for manifest in manifests] == ["oracle", "noisy_40", "oracle"]
    assert manifests[1].parent == manifests[2].parent
    assert manifests[1].content_hash != manifests[2].content_hash


def test_the_report_needs_answers_and_then_holds_judged_scores_against_true_ones(output, tmp_path):
    report = ("task=overoptimisation", f"runs={output}", f"out={tmp_path}", "bins=2", "replicates=50")
    outcome = entry("eval", *report)
    assert outcome.status == 2
    assert outcome.stderr == f"error: runs={output}: no finished run below it has predictions. Evaluate first: " + (
        f"python src/eval.py runs={output}\n"
    )
    outcome = entry("eval", f"runs={output}", TINY[0], "dataset.out_of_domain=[]")
    assert outcome.status == 0, outcome.text
    outcome = entry("eval", *report)
    assert outcome.status == 0, outcome.text
    found = json.loads((tmp_path / "overoptimisation.json").read_text())
    assert [row["arm"] for row in found["rows"]] == ["base", "sft", "grpo_noisy_40", "grpo_oracle"]
    noisy, oracle = found["rows"][2:]
    assert oracle["gap"]["value"] == 0
    assert noisy["gap"]["value"] == pytest.approx(noisy["judged"]["value"] - noisy["true"]["value"])
    curve, path = found["curves"][0], tmp_path / "curve.json"
    (run,) = [run.path for run, manifest in runs_below(output) if manifest.arm == curve["arm"] == "grpo_noisy_40"]
    by_hand = entry("eval", "task=rescore", f"run={run}", "ask=true", "judge=oracle", "bins=2", f"out={path}")
    assert by_hand.status == 0, by_hand.text
    assert [point["gap"] for point in curve["points"]] == [one["gap"] for one in json.loads(path.read_text())["bins"]]
    assert "grpo_noisy_40" in outcome.stdout
    assert (tmp_path / "overoptimisation.png").read_bytes().startswith(b"\x89PNG")


def test_a_judge_that_costs_money_is_not_asked_about_a_whole_study(output):
    outcome = entry("eval", "task=overoptimisation", f"runs={output}", "judge=openai")
    assert (outcome.status, outcome.stderr) == (
        2, "error: judge=openai: one that costs nothing: it is asked about every completion\n",
    )  # fmt: skip
