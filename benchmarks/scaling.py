"""How our GRPO step grows: seconds by group size, tokens and model, as log-log slopes; and two processes beside one.

python benchmarks/scaling.py [--quick] [--out FILE] [--series NAME ...] [--completion 48] [--repeats 3] [--threads 2]

Every series changes one size of a common step and keeps the others. A slope of 1 is growth in proportion.
"""

from __future__ import annotations

import argparse
import json
import math
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from statistics import linear_regression, median
from tempfile import TemporaryDirectory
from typing import Any

from rich.console import Console
from rich.table import Table
from steps import machine, ours
from steps.cells import PROMPTS, Cell, random_weights, weights
from steps.children import PHASES, STEP, Child, in_child

OUT = Path(__file__).parent / "results" / "scaling.json"
PICTURES = (112, 224, 336, 448)  # pixels a side: 16 to 256 tokens
TEXT_TOKENS = 128  # of a prompt beside its picture, in the series of pictures
WIDTHS = (64, 128, 256, 512)  # of random models
LAYERS = 4
QUICK_POINTS = 2  # of each series, from its small end
WARM_UP = 1  # steps before those that count
PROCESSES = (1, 2)

Series = Callable[[Cell, Path], Iterable[tuple[int, Cell]]]  # from the common step to sizes and their steps


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure the series that are asked for, print slopes, and write all of it."""
    options = _parser().parse_args(arguments)
    repeats, points = (1, QUICK_POINTS) if options.quick else (options.repeats, None)
    series: dict[str, list[dict[str, Any]]] = {name: [] for name in options.series}
    with TemporaryDirectory() as folder:
        base = Cell(
            model="nano", adapter="lora", group_size=8, prompt_tokens=320, completion_tokens=options.completion,
            checkpoint=in_child(weights, "nano", Path(folder), threads=1),
        )  # fmt: skip
        for name, measured in series.items():
            for size, cell in list(SERIES[name](base, Path(folder)))[:points]:
                seconds = step_seconds(cell, repeats=repeats, threads=options.threads)
                measured.append({"size": size, "seconds": seconds, "total": sum(seconds.values())})
        processes = {count: process_seconds(base, count, repeats=repeats) for count in PROCESSES}
    slopes = {name: {phase: slope(points, phase) for phase in (*PHASES, "total")} for name, points in series.items()}
    record = {
        "machine": machine.description(options.threads), "prompts_per_step": PROMPTS, "repeats": repeats,
        "series": series, "slopes": slopes, "processes": processes,
        "speed_up_of_two_processes": processes[1] / processes[2],
    }  # fmt: skip
    Console().print(as_table(record))
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")


def by_field(field: str, sizes: Sequence[int]) -> Series:
    """A series in which one number of the cell changes; its picture stays the small one."""
    return lambda base, _: ((size, replace(base, image_size=112, **{field: size})) for size in sizes)


def by_picture(base: Cell, _: Path) -> Iterator[tuple[int, Cell]]:
    """Larger pictures beside the same text."""
    for pixels in PICTURES:
        cell = replace(base, image_size=pixels)
        yield cell.image_tokens, replace(cell, prompt_tokens=TEXT_TOKENS + cell.image_tokens)


def by_model(base: Cell, folder: Path) -> Iterator[tuple[int, Cell]]:
    """Wider models, random ones of nano's kind; the size is the number of parameters."""
    for width in WIDTHS:
        checkpoint, parameters = in_child(random_weights, width, LAYERS, folder / str(width), threads=1)
        yield parameters, replace(base, checkpoint=checkpoint)


SERIES: dict[str, Series] = {
    "group_size": by_field("group_size", (2, 4, 8, 16)),
    "prompt_tokens": by_field("prompt_tokens", (160, 320, 640, 1280)),
    "completion_tokens": by_field("completion_tokens", (16, 32, 64, 128)),
    "image_tokens": by_picture,
    "parameters": by_model,
}


def step_seconds(cell: Cell, *, repeats: int, threads: int) -> dict[str, float]:
    """The median seconds of a step, by phase."""
    child = Child(ours.take_steps, cell, WARM_UP + repeats, threads=threads)
    try:
        child.receive()  # it has loaded
        steps = [child.step() for _ in range(WARM_UP + repeats)][WARM_UP:]
    finally:
        child.end()
    return {phase: median(step.seconds[phase] for step in steps) for phase in steps[0].seconds}


def process_seconds(cell: Cell, count: int, *, repeats: int) -> float:
    """The median seconds of a step that so many processes of one thread share: of the slower one each time."""
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(_free_port()), "NODE_RANK": "0"}
    children = [
        Child(ours.take_steps, cell, WARM_UP + repeats, count, threads=1, LOCAL_RANK=str(rank), **place)
        for rank in range(count)
    ]
    try:
        for child in children:
            child.receive()
        taken = []
        for _ in range(WARM_UP + repeats):
            for child in children:
                child.tell(STEP)
            taken.append(max(child.receive().total for child in children))
    finally:
        for child in children:
            child.end()
    return median(taken[WARM_UP:])


def slope(points: Sequence[dict[str, Any]], phase: str) -> float:
    """Of log seconds over log size, by least squares."""
    seconds = [point["total"] if phase == "total" else point["seconds"][phase] for point in points]
    sizes = [math.log(point["size"]) for point in points]
    return linear_regression(sizes, [math.log(max(value, 1e-9)) for value in seconds]).slope


def as_table(record: dict[str, Any]) -> Table:
    """A row per series: its ends and its slope; then the processes."""
    table = Table("series", "from", "to", "seconds", "slope", title="seconds of our step")
    for name, points in record["series"].items():
        first, last = points[0], points[-1]
        table.add_row(
            name, f"{first['size']:,}", f"{last['size']:,}", f"{first['total']:.2f} to {last['total']:.2f}",
            f"{record['slopes'][name]['total']:.2f}",
        )  # fmt: skip
    one, two = record["processes"].values()
    table.add_row("processes", "1", "2", f"{one:.2f} to {two:.2f}", f"{math.log2(two / one):.2f}")
    return table


def _free_port() -> int:
    with closing(socket.socket()) as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="How our GRPO step grows with its sizes.")
    parser.add_argument("--quick", action="store_true", help="the two smallest sizes of a series, one repeat")
    parser.add_argument("--out", type=Path, default=OUT, help="the JSON file (%(default)s)")
    parser.add_argument("--series", nargs="+", default=list(SERIES), choices=list(SERIES), help="which ones (all)")
    parser.add_argument("--completion", type=int, default=48, help="tokens of the common step's (%(default)s)")
    parser.add_argument("--repeats", type=int, default=3, help="steps that count (%(default)s)")
    parser.add_argument("--threads", type=int, default=2, help="of each process but in the last row (%(default)s)")
    return parser


if __name__ == "__main__":
    main()
