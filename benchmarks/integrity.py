"""Seconds and memory that it takes to verify a dataset of drawn pictures, and to find its near-duplicates.

python benchmarks/integrity.py [--quick] [--n 33000] [--size 256] [--workers 2] [--out FILE]

Every picture is a JPEG of its own; each hundredth is a copy of the one before it at another quality. Opening, hashing
and comparing run in a process of their own, whose largest memory is read from the operating system. Seconds are those
on the clock and, as other work may share the cores, those that the cores were used.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TypeVar

import numpy as np
from PIL import Image
from rich.console import Console
from steps import machine

from pathvlm_r1.data import Sample
from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.integrity import Verified, near_pairs, stacked, verify

OUT = Path(__file__).parent / "results" / "integrity.json"
NEAR = 32  # bits of 256 that may differ
COPY_EVERY = 100
SHEETS = 8

Result = TypeVar("Result")


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw, measure in a child, print, and write it."""
    options = _parser().parse_args(arguments)
    if options.folder is not None:
        sys.stdout.write(json.dumps(measured(options.folder, options.workers)) + "\n")
        return
    count, size = (300, 64) if options.quick else (options.n, options.size)
    with TemporaryDirectory() as folder:
        drawn(Path(folder), count, size)
        child = [sys.executable, __file__, "--folder", folder, "--workers", str(options.workers)]
        outcome = subprocess.run(child, capture_output=True, text=True, check=True)  # noqa: S603  our own script
    record = {"machine": machine.description(options.workers), "pictures": count, "size": size} | {
        "workers": options.workers, **json.loads(outcome.stdout)
    }  # fmt: skip
    Console(soft_wrap=True).print_json(data=record)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(record, indent=2) + "\n")


def drawn(folder: Path, count: int, size: int) -> None:
    """JPEG files with the structure of photographs: places of large drawn sheets, coarse colour under fine texture."""
    random = np.random.default_rng(0)
    side = 8 * size
    sheets = []
    for _ in range(SHEETS):
        coarse, fine = (
            Image.fromarray(random.integers(0, 256, (side // grain, side // grain, 3), dtype=np.uint8))
            for grain in (size // 6, 4)
        )
        layers = (layer.resize((side, side), Image.Resampling.BILINEAR) for layer in (coarse, fine))
        sheets.append(Image.blend(*layers, alpha=0.3))
    picture = Image.new("RGB", (size, size))
    for number in range(count):
        quality = 60 if number % COPY_EVERY == COPY_EVERY - 1 else 85
        if quality == 85:
            left, top = random.integers(0, side - size, 2).tolist()
            picture = sheets[number % SHEETS].crop((left, top, left + size, top + size))
        picture.save(folder / f"{number:06d}.jpg", "JPEG", quality=quality)


def measured(folder: Path, workers: int) -> dict[str, object]:
    """Seconds and MiB of each part, and what was found."""
    samples = [_sample(path, number) for number, path in enumerate(sorted(folder.glob("*.jpg")))]
    seconds: dict[str, dict[str, float]] = {}
    peak_mib = {"before": _peak_mib()}

    def opened(*, with_look: bool) -> Verified:
        read = {"sft": ReadResult(samples, [])}
        return verify(read, workers=workers, with_look=with_look, progress=lambda items, _: items)

    def timed(name: str, work: Callable[[], Result]) -> Result:
        clock, used = time.perf_counter(), time.process_time()
        result = work()
        seconds[name] = {"clock": time.perf_counter() - clock, "cores": time.process_time() - used}
        peak_mib[name] = _peak_mib()
        return result

    plain = timed("verify", lambda: opened(with_look=False))
    looking = timed("verify_with_look", lambda: opened(with_look=True))
    looks = stacked([looking.keys[sample.sample_id][0].look for sample in looking.samples])
    pairs = timed("near_pairs", lambda: near_pairs(looks, NEAR))
    return {
        "seconds": seconds, "peak_mib": peak_mib, "kept": len(plain.samples), "defects": len(plain.defects),
        "near_pairs": len(pairs),
    }  # fmt: skip


def _sample(path: Path, number: int) -> Sample:
    return Sample(
        sample_id=path.stem, image_id=path.stem, dataset="drawn", question_type="drawn",
        question=f"Which pattern does picture {number} show?", options=("whorled", "nested", "corded", "solid"),
        answer="ABCD"[number % 4], rationale="", images=(FileImage(path),),
    )  # fmt: skip


def _peak_mib() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Seconds and memory of verifying a dataset of drawn pictures.")
    parser.add_argument("--quick", action="store_true", help="300 small pictures: does it run?")
    parser.add_argument("--n", type=int, default=33_000, help="pictures (%(default)s)")
    parser.add_argument("--size", type=int, default=256, help="pixels a side (%(default)s)")
    parser.add_argument("--workers", type=int, default=2, help="threads that decode (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="where the numbers go (%(default)s)")
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)  # of the child
    return parser


if __name__ == "__main__":
    main()
