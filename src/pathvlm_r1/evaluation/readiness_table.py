"""The table in the terminal of what a checkpoint is ready for."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.readiness import Estimate, Readiness


def readiness_table(readiness: Readiness) -> Table:
    """A row per estimate; a line between those of the rewards, the groups, the completions and the steps."""
    table = Table("", "mean", "95 % interval", box=SIMPLE, pad_edge=False)
    section = None
    for name, estimate in readiness.estimates.items():
        begins = _section(name)
        if section is not None and begins != section:
            table.add_section()
        section = begins
        table.add_row(name, f"{estimate.value:.3f}", _interval(estimate))
    return table


def _section(name: str) -> str:
    """`reward` of reward/total/std_in_group, `pass` of pass@4, nothing of format."""
    return name.replace("@", "/").rpartition("/")[0].partition("/")[0]


def _interval(estimate: Estimate) -> str:
    return "-" if estimate.low is None or estimate.high is None else f"[{estimate.low:.3f}, {estimate.high:.3f}]"
