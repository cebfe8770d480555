"""Fetch datasets, make sure of them, look at them and hand them on, by one of the tasks of `conf/task`."""

from __future__ import annotations

import sys

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import DATA_TASKS
from pathvlm_r1.config import refuse_unread
from pathvlm_r1.entry import run, task_of, user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="data")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        task = task_of(DATA_TASKS, composed.task)
        refuse_unread(HydraConfig.get().overrides.task, composed)
        sys.exit(task(composed))


if __name__ == "__main__":
    run(main)
