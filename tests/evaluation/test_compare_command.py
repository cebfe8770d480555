"""`python src/report.py task=compare` as it is typed: what it prints and writes, and how it refuses."""

import json

import pytest
from evaluated_runs import answered, evaluated_run
from running import entry

from pathvlm_r1.tracking import TrackingError, read_manifest


@pytest.fixture
def runs(tmp_path):
    return evaluated_run(tmp_path, "sft"), evaluated_run(tmp_path, "grpo")


def compare(*typed):
    return entry("report", "task=compare", "replicates=100", *typed)


def test_it_prints_what_may_be_claimed_and_writes_the_numbers(runs, tmp_path):
    a, b = runs
    out = tmp_path / "new" / "comparison.json"
    outcome = compare(f"a={a}", f"b={b}", f"out={out}")
    assert outcome.status == 0, outcome.text
    written = json.loads(out.read_text())
    assert [comparison["dataset"] for comparison in written["comparisons"]] == ["phantom", "phantom_ct"]
    assert all(m["claim"] in outcome.stdout for one in written["comparisons"] for m in one["metrics"])
    assert f"a: {a} (sft, seed 0)" in outcome.stdout
    assert written["settings"]["margin"] == 0.02
    again = compare(f"a={a}", f"b={b}", f"out={out}")
    assert again.stdout == outcome.stdout
    assert json.loads(out.read_text()) == written


def test_the_seed_of_the_bootstrap_moves_the_interval_and_not_the_difference(runs, tmp_path):
    a, b = runs
    metrics = []
    for seed in (0, 1):
        assert compare(f"a={a}", f"b={b}", f"seed={seed}", f"out={tmp_path / 'x.json'}").status == 0
        metrics.append(json.loads((tmp_path / "x.json").read_text())["comparisons"][0]["metrics"][1])
    assert metrics[0]["difference"] == metrics[1]["difference"]
    assert metrics[0]["low"] != metrics[1]["low"]


@pytest.mark.medium
def test_what_cannot_be_compared_ends_in_one_message(runs, tmp_path):
    a, b = runs
    other = evaluated_run(tmp_path, "sft_continued", files={"phantom.test.greedy": answered("grpo", 0)[:30]})
    refusals = {
        (f"a={a}", f"b={other}"): "30 in both, 10 in a alone, such as phantom/test/00030. items=common compares",
        (f"a={a}",): "b has no value",
        (f"a={a}", f"b={b}", "margin=0"): "margin=0.0: between 0 and 1",
        (f"a={a}", f"b={b}", "power=0.3"): "power=0.3: from 0.5",
        (f"a={a}", f"b={b}", "confidence=1"): "confidence=1.0: between 0 and 1",
        (f"a={a}", f"b={b}", "may_differ=[length]"): "one of contract, prompt, picture",
        (f"a={a}", f"b={b}", f"out={tmp_path}"): "is a folder; name a file in it",
        (f"a={a}", f"b={b}", f"runs={a}"): "runs",
    }
    for typed, message in refusals.items():
        outcome = compare(*typed)
        assert outcome.status == 2, outcome.text
        assert message in outcome.stderr
        assert "Traceback" not in outcome.text
    assert compare(f"a={a}", f"b={other}", "items=common").status == 0


def test_a_task_of_another_program_is_refused_with_those_that_there_are():
    outcome = entry("report", "task=evaluate")
    assert outcome.status == 2
    assert "task=evaluate: another script's task; this one has tables, compare" in outcome.stderr
    asked = entry("eval", "task=compare", "a=x", "b=y")
    assert asked.status == 2
    assert (
        "this one has evaluate, explain, export, judge_audit, overoptimisation, predict, rescore, rl_readiness"
        in asked.stderr
    )


def test_a_folder_of_runs_is_no_run(tmp_path, runs):
    with pytest.raises(TrackingError, match="is not the folder of a run"):
        read_manifest(tmp_path)
    outcome = compare(f"a={tmp_path}", f"b={runs[0]}")
    assert outcome.status == 2
    assert "there are: none at all" in outcome.stderr
