"""Report on evaluated runs: tables with intervals and a figure of a folder, or two runs compared."""

from __future__ import annotations

from collections.abc import Callable

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import compare, report_runs
from pathvlm_r1.config import CompareConfig, ReportConfig, refuse_unread
from pathvlm_r1.entry import run, task_of, user_errors

TASKS: dict[str, Callable[[DictConfig], object]] = {
    "tables": lambda composed: report_runs(ReportConfig.checked(composed)),
    "compare": lambda composed: compare(CompareConfig.checked(composed)),
}


@hydra.main(version_base="1.3", config_path="../conf", config_name="report")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        task = task_of(TASKS, composed.task)
        refuse_unread(HydraConfig.get().overrides.task, composed)
        task(composed)


if __name__ == "__main__":
    run(main)
