import json
import runpy
import subprocess
import sys
from io import StringIO
from pathlib import Path

import pytest
import torch
from rich.console import Console

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "logprobs.py"
BENCHMARK = runpy.run_path(str(SCRIPT))
WAYS = {"ours", "direct", "trl"}


@pytest.mark.slow
def test_the_benchmark_of_the_head_measures_every_way_which_all_give_the_same(tmp_path):
    out = tmp_path / "logprobs.json"
    command = [sys.executable, str(SCRIPT), "--quick", "--out", str(out)]
    printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  our own script
    rows = json.loads(out.read_text())["rows"]
    assert [row["cell"]["is_head_trained"] for row in rows] == [True, False]
    for row in rows:
        assert row["ways"].keys() == WAYS
        for cost in row["ways"].values():
            assert 0 < cost["fastest_seconds"] <= cost["seconds"] <= cost["slowest_seconds"]
            assert cost["difference_from_ours"] <= 1e-5
        assert 0 < row["ways"]["ours"]["peak_mib"] < row["ways"]["direct"]["peak_mib"]
    assert all(name in printed for name in ("trained", "frozen", *WAYS))


def test_a_wrong_result_would_be_seen_and_one_of_rounding_is_not():
    right = [torch.tensor([-30.0, -0.5]), torch.tensor([2.0, 3.0]), torch.ones(2, 4), torch.ones(5)]
    assert BENCHMARK["difference"]([value * (1 + 2**-23) for value in right], right) < 1e-6
    for place in range(4):
        wrong = [value * 1.001 if index == place else value for index, value in enumerate(right)]
        assert BENCHMARK["difference"](wrong, right) == pytest.approx(1e-3, rel=0.01)


def test_a_way_that_does_not_fit_is_said_to():
    cell, cost = BENCHMARK["Cell"](151_936, 4096, 2048, is_head_trained=True), BENCHMARK["Cost"](2, 1, 3, 1e3, 0)
    console = Console(width=120, record=True, file=StringIO())
    console.print(
        BENCHMARK["as_table"]([BENCHMARK["Row"](cell, 5, 1.2e3, {"ours": cost, "direct": None, "trl": cost})])
    )
    assert "does not fit" in console.export_text()
