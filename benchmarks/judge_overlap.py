"""What `rollout.async_judge=true` gains: seconds of a GRPO step while a judge of a stated latency reads every rollout.

python benchmarks/judge_overlap.py [--quick] [--latency 2.0] [--steps 10] [--threads 2] [--out FILE]

A local server of the chat-completions API, the one of the tests, answers each request after the latency; `judge=openai`
asks for all completions of a rollout at once. Everything else is the demo's own step, from the base checkpoint. The two
ways take turns, each in a process of its own; the first step of a run is left out, which has nothing to overlap with.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

from rich.console import Console
from rich.table import Table
from steps import machine

sys.path.extend(str(Path(__file__).parents[1] / "tests" / folder) for folder in ("reward/judges", "reward", "data"))

from fake_chat import KEY, MODEL, FakeChat, serving

ROOT = Path(__file__).parents[1]
OUT = Path(__file__).parent / "results" / "judge_overlap.json"
PHASES = ("rollout", "reward", "log_probs", "update")
WAYS = ("waiting", "ahead")
SIZES = {
    False: (),
    True: ("stage.prompts_per_step=2", "stage.group_size=2", "model.max_completion_tokens=8"),
}
VARIABLE = "JUDGE_KEY"
CONCURRENCY = 64  # all completions of a rollout


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure both ways, print a table, and write it."""
    options = _parser().parse_args(arguments)
    steps = 3 if options.quick else options.steps
    repeats = 1 if options.quick else options.repeats
    phases: dict[str, list[dict[str, float]]] = {way: [] for way in WAYS}
    chat = FakeChat(seconds=options.latency)
    with serving(chat) as url, TemporaryDirectory() as folder:
        for repeat in range(repeats):
            for way in WAYS:
                own = Path(folder) / f"{way}-{repeat}"
                phases[way] += measured(url, own, way, steps=steps, threads=options.threads, is_quick=options.quick)
    medians = {way: {name: median(step[name] for step in phases[way]) for name in PHASES} for way in WAYS}
    seconds = {way: median(sum(step.values()) for step in phases[way]) for way in WAYS}
    record = {
        "machine": machine.description(options.threads), "latency_seconds": options.latency, "steps": steps,
        "repeats": repeats, "requests": sum(chat.asked.values()), "seconds": seconds, "phases": medians,
        "gain": seconds["waiting"] / seconds["ahead"],
    }  # fmt: skip
    Console(width=100).print(as_table(record))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")


def measured(url: str, folder: Path, way: str, *, steps: int, threads: int, is_quick: bool) -> list[dict[str, float]]:
    """Seconds by phase of every step but the first of one run."""
    command = [
        sys.executable, str(ROOT / "src" / "train.py"), "stage=grpo", "stage.init=base", "judge=openai",
        f"judge.url={url}", f"judge.api_key_env={VARIABLE}", f"judge.model={MODEL}",
        f"judge.prices=[{{model: {MODEL}, input: 0, output: 0}}]",
        f"judge.concurrency={CONCURRENCY}", f"judge.cache={folder}/judge.sqlite", "logger=csv", f"output={folder}",
        f"trainer.max_steps={steps}", "stage.validation_samples=1", f"stage.validation_every={steps}",
        f"rollout.async_judge={str(way == 'ahead').lower()}", *SIZES[is_quick],
    ]  # fmt: skip
    environment = os.environ | {"OMP_NUM_THREADS": str(threads), "PYTHONPATH": str(ROOT / "src"), VARIABLE: KEY}
    outcome = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)  # noqa: S603  our own
    if outcome.returncode != 0:
        raise RuntimeError(outcome.stderr)
    (metrics,) = folder.glob("*/metrics.csv")
    with metrics.open(encoding="utf-8") as lines:
        rows = [row for row in csv.DictReader(lines) if row.get("grpo/seconds/rollout")]
    return [{name: float(row[f"grpo/seconds/{name}"]) for name in PHASES} for row in rows[1:]]


def as_table(record: dict[str, object]) -> Table:
    """A row for each way."""
    table = Table(title=f"a judge of {record['latency_seconds']} s: {record['gain']:.2f} times faster steps when ahead")
    for name in ("way", *PHASES, "step"):
        table.add_column(name)
    for way in WAYS:
        figures = [f"{record['phases'][way][name]:.2f}" for name in PHASES]  # type: ignore[index]
        table.add_row(way, *figures, f"{record['seconds'][way]:.2f}")  # type: ignore[index]
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="three small steps of each way, once")
    parser.add_argument("--latency", type=float, default=2.0, help="seconds of every answer")
    parser.add_argument("--steps", type=int, default=10, help="optimiser steps of a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs of each way")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--out", type=Path, default=OUT, help="file of the numbers")
    return parser


if __name__ == "__main__":
    main()
