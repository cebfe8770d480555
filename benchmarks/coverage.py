"""How often intervals hold the truth that drew the sample: simulated coverage, each with its own interval.

python benchmarks/coverage.py [--quick] [--out coverage.json]

The simulations are those of the tests (`tests/evaluation/simulated_coverage.py`).
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

sys.path.append(str(Path(__file__).parents[1] / "tests" / "evaluation"))

from simulated_coverage import REPLICATES, SIMULATIONS, Share, simulated


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate, print a table, and write it where asked."""
    options = _parser().parse_args(arguments)
    shares: list[Share] = []
    for simulation in SIMULATIONS:
        shares.append(simulated(simulation, 20 if options.quick else None))
        if options.out is not None:  # after each, as all of them take minutes
            record = {"bootstrap_replicates": REPLICATES, "shares": [asdict(share) for share in shares]}
            options.out.write_text(json.dumps(record, indent=2) + "\n")
    Console().print(as_table(shares))


def as_table(shares: Sequence[Share]) -> Table:
    """A row per simulation."""
    table = Table("", "", "share", "95 % interval", "simulations")
    for share in shares:
        ends = f"{share.low:.4f} to {share.high:.4f}"
        table.add_row(share.name, share.kind, f"{share.share:.4f}", ends, f"{share.simulations:,}")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Simulated coverage of the intervals, and false alarms of the tests.")
    parser.add_argument("--quick", action="store_true", help="20 studies of each: does it run?")
    parser.add_argument("--out", type=Path, help="write the shares to this JSON file")
    return parser


if __name__ == "__main__":
    main()
