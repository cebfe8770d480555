"""Evaluate checkpoints, or answer, ask and reward by one of the tasks of `conf/task`."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pathvlm_r1.assembly import EVALUATION_TASKS
from pathvlm_r1.config import refuse_sealed_sweep, refuse_unread
from pathvlm_r1.entry import run, task_of, user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="eval")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        task = task_of(EVALUATION_TASKS, composed.task)
        hydra_config = HydraConfig.get()
        refuse_unread(hydra_config.overrides.task, composed)
        refuse_sealed_sweep(composed, is_sweep=hydra_config.mode == RunMode.MULTIRUN)
        task(composed)


if __name__ == "__main__":
    run(main)
