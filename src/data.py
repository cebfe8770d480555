"""Look at datasets and make sure of them, by one of the tasks of `conf/task`."""

from __future__ import annotations

import sys
from collections.abc import Callable

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import audit_dataset, export_dataset, fetch_dataset, show, split_dataset, verify_dataset
from pathvlm_r1.config import (
    AuditConfig,
    DataConfig,
    ExportConfig,
    FetchConfig,
    SplitConfig,
    VerifyConfig,
    refuse_unread,
)
from pathvlm_r1.entry import run, task_of, user_errors

TASKS: dict[str, Callable[[DictConfig], int | None]] = {  # what each returns is the status
    "audit": lambda composed: audit_dataset(AuditConfig.checked(composed)),
    "export": lambda composed: export_dataset(ExportConfig.checked(composed)),
    "fetch": lambda composed: fetch_dataset(FetchConfig.checked(composed)),
    "show": lambda composed: show(DataConfig.checked(composed)),
    "split": lambda composed: split_dataset(SplitConfig.checked(composed)),
    "verify": lambda composed: verify_dataset(VerifyConfig.checked(composed)),
}


@hydra.main(version_base="1.3", config_path="../conf", config_name="data")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        task = task_of(TASKS, composed.task)
        refuse_unread(HydraConfig.get().overrides.task, composed)
        sys.exit(task(composed))


if __name__ == "__main__":
    run(main)
