"""lmms-eval itself, where it is installed: its stock model answers a task of ours on a CPU, and it is scored."""

import json
import subprocess
import sys
from importlib.util import find_spec

import pytest
from running import entry

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER

LIMIT = 3
MODEL_ARGS = f"pretrained={EMBEDDED_FOLDER},device=cpu,device_map=cpu,min_pixels=3136,max_pixels=65536"


@pytest.mark.slow
@pytest.mark.skipif(find_spec("lmms_eval") is None, reason="lmms-eval is not installed here: pip install lmms-eval")
def test_an_exported_task_is_loaded_asked_answered_and_scored_by_the_harness(tmp_path):
    task, out = tmp_path / "task", tmp_path / "out"
    exported = entry(
        "data", "task=export", "target=lmms_eval", "split=test", "dataset.splits.test=6", f"out={task}"
    )  # fmt: skip
    assert exported.status == 0, exported.text
    arguments = ["--model", "qwen2_5_vl", "--model_args", MODEL_ARGS, "--include_path", task, "--tasks", "phantom_test"]
    arguments += ["--limit", str(LIMIT), "--batch_size", "1", "--output_path", out, "--log_samples"]
    run = subprocess.run(  # noqa: S603  our own command
        [sys.executable, "-m", "lmms_eval", *map(str, arguments)], capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr[-3000:]
    (samples,) = out.rglob("*_samples_phantom_test.jsonl")
    rows = [json.loads(line) for line in samples.read_text().splitlines()]
    assert len(rows) == LIMIT
    assert all(row["accuracy"] in (0.0, 1.0) for row in rows)
    (results,) = out.rglob("*_results.json")
    found = json.loads(results.read_text())["results"]["phantom_test"]["accuracy,none"]
    assert found == pytest.approx(sum(row["accuracy"] for row in rows) / LIMIT)
