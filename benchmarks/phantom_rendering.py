"""How long a phantom takes to render: milliseconds of process CPU time per picture, by modality and size.

python benchmarks/phantom_rendering.py [--quick] [--n 40] [--out rendering.json]
"""

from __future__ import annotations

import argparse
import json
import platform
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomSource

SIZES = (112, 168)  # pixels a side
REPEATS = 5
SEED = 20260711


@dataclass(frozen=True)
class Timing:
    """The cost of one modality at one size."""

    modality: str
    image_size: int
    ms_per_image: float  # median over the repeats, process CPU time
    fastest_ms: float
    slowest_ms: float


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it where asked."""
    options = _parser().parse_args(arguments)
    repeats, pictures = (2, min(options.n, 4)) if options.quick else (REPEATS, options.n)
    timings = [measure(name, size, pictures=pictures, repeats=repeats) for name in ONTOLOGIES for size in SIZES]
    Console().print(as_table(timings))
    if options.out is not None:
        measured = {"python": platform.python_version(), "machine": platform.machine(), "clock": "process CPU time"}
        record = {**measured, "pictures": pictures, "repeats": repeats, "timings": [asdict(t) for t in timings]}
        options.out.write_text(json.dumps(record, indent=2) + "\n")


def measure(modality: str, image_size: int, *, pictures: int, repeats: int) -> Timing:
    """Render the same pictures `repeats` times; the first, unmeasured one loads what is loaded once."""
    source = PhantomSource("benchmark", modality, SEED, image_size, {"terse": 1.0})
    images = [sample.images[0] for sample in source.samples("benchmark", pictures)]
    images[0].load()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        for image in images:
            image.load()
        spent.append(1000 * (time.process_time() - start) / pictures)
    return Timing(modality, image_size, median(spent), min(spent), max(spent))


def as_table(timings: Sequence[Timing]) -> Table:
    """A row per modality, a column per size: the median, and the fastest and slowest repeat."""
    table = Table("modality", *(f"{size} px" for size in SIZES), title="ms per image, process CPU time")
    for modality in ONTOLOGIES:
        of_size = {timing.image_size: timing for timing in timings if timing.modality == modality}
        cells = [
            f"{t.ms_per_image:.2f} ({t.fastest_ms:.2f} to {t.slowest_ms:.2f})" for t in map(of_size.get, SIZES) if t
        ]
        table.add_row(modality, *cells)
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Milliseconds per rendered phantom, by modality and size.")
    parser.add_argument("--quick", action="store_true", help="two repeats of at most four pictures: does it run?")
    parser.add_argument("--n", type=_positive, default=40, help="pictures per repeat (%(default)s)")
    parser.add_argument("--out", type=Path, help="write the measurement to this JSON file")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} pictures: at least 1 is needed to time one")
    return number


if __name__ == "__main__":
    main()
