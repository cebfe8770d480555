"""What intervals take on a large set: seconds of process CPU time for 8,518 questions and 10,000 replicates.

python benchmarks/intervals.py [--quick] [--n 8518] [--out intervals.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median

import numpy as np
from rich.console import Console
from rich.table import Table

from pathvlm_r1.evaluation import cluster_bootstrap, hierarchical_interval, image_bootstrap_of_seed_mean, mcnemar

REPEATS = 5
REPLICATES = 10_000
SEEDS = 3


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it where asked."""
    options = _parser().parse_args(arguments)
    repeats, replicates = (1, 100) if options.quick else (REPEATS, REPLICATES)
    seconds = {name: timed(work, repeats) for name, work in works(options.n, replicates).items()}
    table = Table("", "seconds (fastest to slowest)", title=f"{options.n:,} questions, {replicates:,} replicates")
    for name, spent in seconds.items():
        table.add_row(name, f"{median(spent):.3f} ({min(spent):.3f} to {max(spent):.3f})")
    Console().print(table)
    if options.out is not None:
        measured = {"python": platform.python_version(), "machine": platform.machine(), "clock": "process CPU time"}
        record = {**measured, "questions": options.n, "replicates": replicates, "seconds": seconds}
        options.out.write_text(json.dumps(record, indent=2) + "\n")


def works(n: int, replicates: int) -> dict[str, Callable[[], object]]:
    """What is timed, by name; the worst case is a picture for every question."""
    random = np.random.default_rng(0)
    before, after = random.random((2, SEEDS, n)) < 0.7
    differences = after.astype(float) - before
    own = [f"image-{index}" for index in range(n)]
    shared = [f"image-{index // 2}" for index in range(n)]

    def options() -> dict[str, object]:
        return {"random": np.random.default_rng(0), "replicates": replicates}

    return {
        "one arm, a picture each": lambda: cluster_bootstrap(after[0].astype(float), own, **options()),
        "one arm, two questions a picture": lambda: cluster_bootstrap(after[0].astype(float), shared, **options()),
        "difference of two runs": lambda: image_bootstrap_of_seed_mean(differences[:1], own, **options()),
        f"difference, mean of {SEEDS} seeds": lambda: image_bootstrap_of_seed_mean(differences, own, **options()),
        f"{SEEDS} seeds and pictures": lambda: hierarchical_interval(differences, own, **options()),
        "exact McNemar": lambda: mcnemar(before[0], after[0]),
    }


def timed(work: Callable[[], object], repeats: int) -> list[float]:
    """Seconds of each repeat, after one that is not measured."""
    work()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        spent.append(time.process_time() - start)
    return spent


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Seconds that intervals and tests take on a large set.")
    parser.add_argument("--quick", action="store_true", help="one repeat of 100 replicates: does it run?")
    parser.add_argument("--n", type=int, default=8518, help="questions (%(default)s)")
    parser.add_argument("--out", type=Path, help="write the measurement to this JSON file")
    return parser


if __name__ == "__main__":
    main()
