"""One GRPO step against `trl.GRPOTrainer`: whole steps in seconds and memory, then the gradients of one recorded step.

python benchmarks/grpo_step.py [--quick] [--out FILE] [--models nano nano_6m] [--adapters lora full] [--groups 4 8 16]
    [--prompts 128 320 1024] [--completion 96] [--repeats 5] [--threads 2] [--mkl]

Each side runs in a process of its own, on the same weights, questions, pictures, rewards and optimiser, and samples
its own tokens at equal, forced lengths; the two take their steps in turn. Then both take the step of one recorded set
of completions, and their gradients are compared. Linux only: memory is read from /proc.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from steps import machine, ours, theirs
from steps.cells import PROMPTS, Cell, weights
from steps.children import COUNT, DIAGNOSTICS, PHASES, Child, ChildError, Step, in_child

from pathvlm_r1.model import products

OUT = Path(__file__).parent / "results" / "grpo_step.json"
MODELS, ADAPTERS, PROMPT_TOKENS, GROUP_SIZES = ("nano", "nano_6m"), ("lora", "full"), (128, 320, 1024), (4, 8, 16)
QUICK = {"adapters": ["lora"], "prompts": [320], "groups": [8], "repeats": 3}
COMPLETION_TOKENS = 96
REPEATS = 5
WARM_UP = 1  # steps of each side before those that count
SIDES = ("ours", "trl")
MEASURED = (
    "time_ratio_median", "time_ratio_min", "time_ratio_max", "memory_ratio", "max_gradient_difference",
    "diagnostics_share", *SIDES,
)  # fmt: skip
PRECISIONS = ("64", "32")
MEBIBYTE = 2**20
WIDTH = 130  # of the tables, also where there is no terminal


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the cells that are asked for, print a table, and write all of it."""
    options = _parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    rate = in_child(machine.peak_gemm_rate, threads=options.threads)
    about = {
        "machine": machine.description(options.threads), "gemm_flops_per_second": rate, "prompts_per_step": PROMPTS,
        "completion_tokens": options.completion, "warm_up_steps": WARM_UP,
        "our_products": "oneDNN" if products.IS_MKL_SLOW and not options.mkl else "MKL",
    }  # fmt: skip
    options.out.parent.mkdir(parents=True, exist_ok=True)
    console, rows = Console(width=WIDTH), []
    with TemporaryDirectory() as folder:
        for cell in cells(options, Path(folder)):
            rows.append(row_of(cell, repeats=options.repeats, threads=options.threads, rate=rate))
            console.print(f"measured: {cell.name}", style="dim")
            options.out.write_text(json.dumps(about | {"cells": rows}, indent=2) + "\n")  # each, as it takes an hour
    console.print(as_table(rows), as_phases(rows))
    for row in rows:
        if row["error"] is not None:
            console.print(f"{row['cell']}: {row['error']}", style="red")


def cells(options: argparse.Namespace, folder: Path) -> Iterator[Cell]:
    """Every combination of what is asked for, small ones first."""
    for model in options.models:
        checkpoint = in_child(weights, model, folder / model, threads=1)
        for adapter, prompt, group in product(options.adapters, options.prompts, options.groups):
            yield Cell(
                model=model, adapter=adapter, group_size=group, prompt_tokens=prompt,
                completion_tokens=options.completion, checkpoint=checkpoint, is_mkl=options.mkl,
            )  # fmt: skip


def row_of(cell: Cell, *, repeats: int, threads: int, rate: float) -> dict[str, Any]:
    """All that is measured of a cell; of one that fails, why."""
    row: dict[str, Any] = {
        "cell": cell.name, "group_size": cell.group_size, "prompt_tokens": cell.prompt_tokens, "model": cell.model,
        "adapter": cell.adapter, "image_tokens": cell.image_tokens, "error": None, **dict.fromkeys(MEASURED),
    }  # fmt: skip
    try:
        row |= timed(cell, repeats=repeats, threads=threads, rate=rate)
        row |= compared(cell, threads=threads)
    except ChildError as error:
        row["error"] = str(error)
    return row


def timed(cell: Cell, *, repeats: int, threads: int, rate: float) -> dict[str, Any]:
    """Whole steps of both sides, in turn."""
    steps = WARM_UP + repeats
    children = {
        "ours": Child(ours.take_steps, cell, steps + 1, threads=threads),
        "trl": Child(theirs.take_steps, cell, steps, threads=threads),
    }
    try:
        for child in children.values():
            child.receive()  # it has loaded
        taken = [{side: child.step() for side, child in children.items()} for _ in range(steps)][WARM_UP:]
        children["ours"].tell(COUNT)
        children["ours"].receive()
        flops = children["ours"].receive()
    finally:
        for child in children.values():
            child.end()
    ratios = [step["trl"].total / step["ours"].total for step in taken]
    seconds = {side: median(step[side].total for step in taken) for side in SIDES}
    peaks = {side: taken[-1][side].peak_bytes for side in SIDES}
    return {
        "time_ratio_median": median(ratios), "time_ratio_min": min(ratios), "time_ratio_max": max(ratios),
        "processor_time_ratio_median": median(
            step["trl"].processor_seconds / step["ours"].processor_seconds for step in taken
        ),
        "memory_ratio": peaks["ours"] / peaks["trl"], "seconds": seconds, "peak_bytes": peaks,
        "diagnostics_share": median(step["ours"].seconds[DIAGNOSTICS] / step["ours"].total for step in taken),
        "flops": flops, "bound_seconds": flops / rate, "share_of_bound": flops / rate / seconds["ours"],
        **{side: phases([step[side] for step in taken]) for side in SIDES}, "repeats": repeats,
    }  # fmt: skip


def phases(steps: Sequence[Step]) -> dict[str, float]:
    """The median seconds of each phase."""
    return {phase: median(step.seconds[phase] for step in steps) for phase in steps[0].seconds}


def compared(cell: Cell, *, threads: int) -> dict[str, Any]:
    """The gradients of both sides on what ours has sampled: in float64 for the mathematics, in float32 as trained."""
    found = {}
    with TemporaryDirectory() as folder:
        recorded = Path(folder) / "recorded.pt"
        for precision in PRECISIONS:
            loss = in_child(ours.record, cell, recorded, precision, threads=threads)
            found[precision] = in_child(theirs.compare, cell, recorded, precision, threads=threads)
            found[precision]["loss_ours"] = loss
    return {
        "max_gradient_difference": found["64"]["difference"],
        "max_gradient_difference_float32": found["32"]["difference"],
        "gradients": found,
    }


def as_table(rows: Sequence[dict[str, Any]]) -> Table:
    """A row per cell: ours against theirs in seconds, bytes and gradients, ours against the machine."""
    table = Table(
        "cell", "ours, s", "TRL, s", "TRL / ours", "ours, MiB", "TRL, MiB", "gradients", "float32", "bound",
        title="one step of two prompts",
    )  # fmt: skip
    for row in rows:
        if row["error"] is None:
            table.add_row(
                row["cell"], *(f"{row['seconds'][side]:.2f}" for side in SIDES),
                "{time_ratio_median:.2f} ({time_ratio_min:.2f}-{time_ratio_max:.2f})".format(**row),
                *(f"{row['peak_bytes'][side] / MEBIBYTE:.0f}" for side in SIDES),
                "{max_gradient_difference:.0e}".format(**row), "{max_gradient_difference_float32:.0e}".format(**row),
                "{share_of_bound:.0%}".format(**row),
            )  # fmt: skip
    return table


def as_phases(rows: Sequence[dict[str, Any]]) -> Table:
    """Where the seconds go."""
    table = Table("cell", *PHASES, DIAGNOSTICS, title="seconds by phase, ours / TRL; our diagnostics, and their share")
    for row in rows:
        if row["error"] is None:
            both = [f"{row['ours'][phase]:.3f} / {row['trl'][phase]:.3f}" for phase in PHASES]
            table.add_row(row["cell"], *both, f"{row['ours'][DIAGNOSTICS]:.3f}, {row['diagnostics_share']:.1%}")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="One GRPO step against trl.GRPOTrainer.")
    parser.add_argument("--quick", action="store_true", help="G 8, prompts of 320 tokens, LoRA, three repeats")
    parser.add_argument("--mkl", action="store_true", help="our side multiplies by MKL too, whatever the processor")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file (%(default)s)")
    parser.add_argument("--models", nargs="+", default=list(MODELS), choices=MODELS, help="which models (all)")
    parser.add_argument("--adapters", nargs="+", default=list(ADAPTERS), choices=ADAPTERS, help="which adapters (all)")
    for name, default in (("--groups", GROUP_SIZES), ("--prompts", PROMPT_TOKENS)):
        parser.add_argument(name, nargs="+", type=int, default=list(default), help="which sizes (%(default)s)")
    for name, value in (("--completion", COMPLETION_TOKENS), ("--repeats", REPEATS), ("--threads", 2)):
        parser.add_argument(name, type=int, default=value, help="(%(default)s)")
    return parser


if __name__ == "__main__":
    main()
