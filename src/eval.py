"""Evaluate checkpoints, or answer, ask and reward by one of the tasks of `conf/task`."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import check_readiness, evaluate, print_answer, rescore
from pathvlm_r1.config import EvalConfig, PredictConfig, ReadinessConfig, RescoreConfig, refuse_unread
from pathvlm_r1.entry import Task, chosen, run, user_errors

TASKS: dict[str, Task] = {
    "evaluate": lambda composed: evaluate(EvalConfig.checked(composed)),
    "predict": lambda composed: print_answer(PredictConfig.checked(composed)),
    "rescore": lambda composed: rescore(RescoreConfig.checked(composed)),
    "rl_readiness": lambda composed: check_readiness(ReadinessConfig.checked(composed)),
}


@hydra.main(version_base="1.3", config_path="../conf", config_name="eval")
def main(composed: DictConfig) -> None:
    """Do the chosen task."""
    with user_errors():
        refuse_unread(HydraConfig.get().overrides.task, composed)
        chosen(TASKS, composed)(composed)


if __name__ == "__main__":
    run(main)
