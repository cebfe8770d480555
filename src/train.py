"""Train one stage of the method: `python src/train.py stage=grpo reward=dual`."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import hydra
from hydra.core.hydra_config import HydraConfig
from hydra.types import RunMode
from omegaconf import DictConfig

from pathvlm_r1.assembly import RUN_FOLDER, Launch, show_judge_plan, train, what_differs
from pathvlm_r1.config import refuse_unread
from pathvlm_r1.entry import run, user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(composed: DictConfig) -> None:
    """Train, or say in one message why not."""
    with user_errors():
        hydra_config = HydraConfig.get()
        typed = tuple(hydra_config.overrides.task)
        refuse_unread(typed, composed)
        if show_judge_plan(composed):
            return
        is_sweep = hydra_config.mode == RunMode.MULTIRUN
        launch = Launch(
            sweep=Path(hydra_config.sweep.dir).name if is_sweep else None,
            difference=what_differs(sys.argv[1:], typed) if is_sweep else None,
            typed=typed,
            joined=os.environ.get(RUN_FOLDER),
        )
        train(composed, launch)


if __name__ == "__main__":
    run(main)
