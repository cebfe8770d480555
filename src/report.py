"""Report on evaluated runs: tables with intervals and a figure of a folder, or two runs compared."""

from __future__ import annotations

from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import compare
from pathvlm_r1.config import CompareConfig, ReportConfig, refuse_unread
from pathvlm_r1.entry import Task, chosen, run, user_errors
from pathvlm_r1.evaluation import write_report


def tables(config: ReportConfig) -> None:
    """Write the report and show its table."""
    out = config.runs if config.out is None else config.out
    write_report(Path(config.runs), Path(out), seed=config.seed, replicates=config.replicates)


TASKS: dict[str, Task] = {
    "tables": lambda composed: tables(ReportConfig.checked(composed)),
    "compare": lambda composed: compare(CompareConfig.checked(composed)),
}


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        refuse_unread(HydraConfig.get().overrides.task, composed)
        chosen(TASKS, composed)(composed)


if __name__ == "__main__":
    run(main)
