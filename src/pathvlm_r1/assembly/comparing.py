"""`task=compare` of `src/report.py`: two runs on the same questions, and what may be claimed of them."""

from __future__ import annotations

import logging
from dataclasses import asdict
from pathlib import Path

from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.config import CompareConfig
from pathvlm_r1.evaluation import (
    Compared,
    ComparisonSettings,
    Mismatch,
    common_files,
    compare_runs,
    comparison_text,
    paired_runs,
)
from pathvlm_r1.tracking import RunFolder, read_manifest, say, write_json

_log = logging.getLogger(__name__)


def compare(config: CompareConfig) -> Compared:
    """Compare, show, and write where asked.

    Raises:
        TrackingError: the runs cannot be compared as they are, or a file cannot be read or written.
        ConfigError: `out` is a folder or one of the files that are compared.
    """
    a, b = Path(config.a).expanduser(), Path(config.b).expanduser()
    both, only_a, only_b = common_files(a, b, split=config.split, decoding=config.decoding, contract=config.contract)
    sources = [path for pair in both.values() for path in pair]
    out = out_file(config.out, example="comparison.json", sources=sources)
    paired = [
        paired_runs(
            dataset, first, second, is_common_enough=config.items == "common",
            may_differ=[Mismatch(kind) for kind in config.may_differ],
        )
        for dataset, (first, second) in both.items()
    ]  # fmt: skip
    settings = ComparisonSettings(
        confidence=config.confidence, power=config.power, margin=config.margin, seed=config.seed,
        replicates=config.replicates,
    )  # fmt: skip
    compared = Compared(
        a=_name(a), b=_name(b), comparisons=compare_runs(paired, settings), only_a=only_a, only_b=only_b
    )
    say(comparison_text(compared))
    if out is not None:
        write_json(out, {"settings": asdict(config), **asdict(compared)})
        _log.info("%s: written", out)
    return compared


def _name(run: Path) -> str:
    """Where it is, and what it is where a manifest says so."""
    if not RunFolder(run).manifest.is_file():
        return str(run)
    manifest = read_manifest(run)
    return f"{run} ({manifest.arm}, seed {manifest.seeds['seed']})"
