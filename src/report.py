"""Report on a folder of evaluated runs: tables, comparisons, a figure and the numbers behind them."""

from __future__ import annotations

from pathlib import Path

import hydra
from omegaconf import DictConfig

from pathvlm_r1.config import ReportConfig
from pathvlm_r1.entry import run, user_errors
from pathvlm_r1.evaluation import write_report


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(composed: DictConfig) -> None:
    """Write the report and show its table."""
    with user_errors():
        config = ReportConfig.checked(composed)
        out = config.runs if config.out is None else config.out
        write_report(Path(config.runs), Path(out), seed=config.seed, replicates=config.replicates)


if __name__ == "__main__":
    run(main)
