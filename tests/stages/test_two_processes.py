"""The gradient of a GRPO step over two processes is that of one, though each packs its completions by itself."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import relative_difference

HERE = Path(__file__).parent
TESTS = HERE.parent


def gradient_of(folder, objective, processes):
    paths = [str(TESTS / name) for name in ("stages", "grpo", "model", "data")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS.parent / "src"), *paths])}
    command = [sys.executable, "-W", "ignore", str(HERE / "two_processes.py"), str(folder), objective, str(processes)]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)  # noqa: S603
    assert ended.returncode == 0, ended.stderr[-2000:]
    return torch.load(folder / f"{processes}.pt", weights_only=True)


@pytest.mark.medium
@pytest.mark.parametrize("objective", ["grpo", "dapo"])
def test_two_processes_have_the_gradient_of_one(tmp_path, objective):
    one, two = (gradient_of(tmp_path, objective, processes) for processes in (1, 2))
    assert relative_difference(two, one) <= 1e-10
