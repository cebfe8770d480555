"""The benchmarks against TRL and of scaling, at the smallest sizes: what they write, and the gradients; never time."""

import json
import os
import re
import subprocess
import sys

import pytest
from running import ROOT

pytestmark = pytest.mark.slow

SMALL = ("--completion", "8", "--threads", "1")


def measured(folder, name, *arguments):
    """What a benchmark writes."""
    out = folder / "results" / f"{name}.json"
    shown = script(folder, name, *arguments, *SMALL, "--out", str(out))
    return json.loads(out.read_text()), shown


def script(folder, name, *arguments):
    """What it prints, from another folder."""
    command = [sys.executable, str(ROOT / "benchmarks" / f"{name}.py"), *arguments]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT / "src")}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=folder, check=False)  # noqa: S603  our own script
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    own = [line for line in outcome.stderr.splitlines() if not line.startswith("USDT:")]  # of torch's profiler
    assert own == []
    return outcome.stdout


def test_both_sides_take_steps_and_agree_on_the_gradients_of_the_recorded_one(tmp_path):
    sizes = ("--models", "nano", "--groups", "2", "--prompts", "128", "--repeats", "1")
    record, shown = measured(tmp_path, "grpo_step", *sizes)
    assert record["our_products"] in ("MKL", "oneDNN")
    assert [(row["adapter"], row["group_size"], row["prompt_tokens"]) for row in record["cells"]] == [
        ("lora", 2, 128),
        ("full", 2, 128),
    ]
    for row in record["cells"]:
        assert row["error"] is None
        assert row["cell"] in shown
        assert row["max_gradient_difference"] <= 1e-5
        assert row["gradients"]["64"]["loss_ours"] > 1e-4, "the divergence from the reference is not 0"
        assert row["time_ratio_min"] <= row["time_ratio_median"] <= row["time_ratio_max"]
        phases = {"rollout", "reward", "log_probs", "update"}
        for side, found in (("ours", phases | {"diagnostics"}), ("trl", phases)):
            assert set(row[side]) == found
            assert all(seconds > 0 for seconds in row[side].values())
            assert row["peak_bytes"][side] > 0
        assert 0 < row["diagnostics_share"] < 1
        assert row["flops"] > 1e9
        assert row["bound_seconds"] == row["flops"] / record["gemm_flops_per_second"]
    picture = tmp_path / "docs" / "step.png"
    script(
        tmp_path, "step_picture", str(tmp_path / "results" / "grpo_step.json"), "--out", str(picture), "--groups", "2"
    )
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_cell_that_fails_says_why_and_ends_nothing(tmp_path):
    sizes = ("--models", "nano", "--adapters", "lora", "--groups", "2", "--prompts", "64", "--repeats", "1")
    record, shown = measured(tmp_path, "grpo_step", *sizes, "--mkl")
    assert record["our_products"] == "MKL"
    (row,) = record["cells"]
    assert "no prompt of 64 tokens" in row["error"]
    assert "no prompt of 64 tokens" in shown
    assert row["time_ratio_median"] is None


def test_a_series_has_its_sizes_and_its_slope_and_two_processes_share_a_step(tmp_path):
    record, shown = measured(tmp_path, "scaling", "--quick", "--series", "group_size")
    (points,) = record["series"].values()
    assert [point["size"] for point in points] == [2, 4]
    assert set(record["slopes"]["group_size"]) == {"rollout", "reward", "log_probs", "update", "total"}
    assert set(record["processes"]) == {"1", "2"}
    assert "group_size" in shown


def test_a_judge_is_waited_for_less_where_rollouts_are_sampled_ahead(tmp_path):
    """Seconds are not asserted, but of what they are: the waiting run waits for every answer in full."""
    out = tmp_path / "overlap.json"
    shown = script(tmp_path, "judge_overlap", "--quick", "--latency", "0.4", "--threads", "1", "--out", str(out))
    record = json.loads(out.read_text())
    assert 12 < record["requests"] <= 2 * (3 * 4 + 1), "those of two runs with a validation each, equal ones once"
    assert record["phases"]["waiting"]["reward"] >= 0.4
    assert record["gain"] == record["seconds"]["waiting"] / record["seconds"]["ahead"]
    assert f"{record['gain']:.2f} times" in shown


def test_greedy_answers_are_the_same_for_batches_of_one_and_sixteen_in_float32_and_measured_in_bfloat16(tmp_path):
    out = tmp_path / "invariance.json"
    script(tmp_path, "batch_invariance", "--quick", "--out", str(out))
    record = json.loads(out.read_text())
    assert record["n"] == 16
    assert record["float32"] == {"same_completion": 1.0, "same_answer": 1.0}
    assert 0 <= record["bfloat16"]["same_completion"] <= record["bfloat16"]["same_answer"] <= 1


def test_the_time_of_a_decoding_step_is_told_by_kind_of_operator(tmp_path):
    shown = script(tmp_path, "decoding_step", "--quick")
    for kind in ("attention to the prompts", "attention to oneself", "products by weights", "all else"):
        (calls,) = re.findall(rf"{kind}\s*[│|]\s*(\d+)", shown)
        assert int(calls) > 0


def test_an_evaluation_writes_what_batched_generate_writes(tmp_path):
    out = tmp_path / "evaluation.json"
    shown = script(tmp_path, "evaluation", "--quick", "--rows", "4", "--out", str(out))
    record = json.loads(out.read_text())
    assert (record["n"], record["rows"]) == (8, 4)
    assert record["same_text"] == 1.0
    assert f"{record['time_ratio_median']:.2f}" in shown


def test_a_steps_profile_has_a_row_for_each_phase_and_is_whole(tmp_path):
    shown = script(tmp_path, "step_profile", "--group", "2", "--prompt", "128", "--completion", "8")
    rows = {
        name: [int(share) for share in re.findall(r"(\d+)%", line)]
        for name in ("rollout", "log-probs", "reference", "update", "sum")
        for line in shown.splitlines()
        if name in line and "%" in line
    }
    assert set(rows) == {"rollout", "log-probs", "reference", "update", "sum"}
    assert rows["sum"][-1] == 100
    assert sum(rows["sum"][:-1]) == pytest.approx(100, abs=3)
    assert all(rows[name][-1] > 0 for name in rows)
