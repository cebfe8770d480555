"""The report on a folder of evaluated runs."""

from __future__ import annotations

from pathlib import Path

from pathvlm_r1.config import ReportConfig
from pathvlm_r1.evaluation import write_report


def report_runs(config: ReportConfig) -> None:
    """Write the report, into the folder itself unless `out` says otherwise, and show its table."""
    out = Path(config.runs if config.out is None else config.out)
    write_report(Path(config.runs), out, seed=config.seed, replicates=config.replicates)
