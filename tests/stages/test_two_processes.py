"""The gradient of a GRPO step over two processes is that of one, though their passes and pictures differ in number."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import relative_difference

HERE = Path(__file__).parent
TESTS = HERE.parent


def gradient_of(folder, objective, adapter, processes):
    paths = [str(TESTS / name) for name in ("stages", "grpo", "model", "data")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), *paths])}
    asked = [str(folder), objective, adapter, str(processes)]
    command = [sys.executable, "-W", "ignore", str(HERE / "two_processes.py"), *asked]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr[-2000:]
    return torch.load(folder / f"{processes}.pt", weights_only=True)


@pytest.mark.medium
@pytest.mark.parametrize(("objective", "adapter"), [("grpo", "lora"), ("dapo", "lora"), ("grpo", "vision")])
def test_two_processes_have_the_gradient_of_one(tmp_path, objective, adapter):
    one, two = (gradient_of(tmp_path, objective, adapter, processes) for processes in (1, 2))
    assert any("visual" in name for name in one) == (adapter == "vision")
    assert relative_difference(two, one) <= 1e-10
