"""Evaluate a checkpoint or a folder of runs; `task=predict` answers one question about one picture."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import answer_one, evaluate
from pathvlm_r1.config import EvalConfig, PredictConfig, refuse_unread
from pathvlm_r1.entry import run, user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="eval")
def main(composed: DictConfig) -> None:
    """Evaluate, or answer."""
    with user_errors():
        refuse_unread(HydraConfig.get().overrides.task, composed)
        if composed.task == "predict":
            sys.stdout.write(json.dumps(asdict(answer_one(PredictConfig.checked(composed))), indent=2) + "\n")
        else:
            evaluate(EvalConfig.checked(composed))


if __name__ == "__main__":
    run(main)
