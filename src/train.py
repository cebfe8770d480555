"""Train one stage of the method: `python src/train.py stage=grpo reward=dual`."""

from __future__ import annotations

import hydra
from hydra.core.hydra_config import HydraConfig
from omegaconf import DictConfig

from pathvlm_r1.assembly import train
from pathvlm_r1.entry import user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="train")
def main(composed: DictConfig) -> None:
    """Train, or say in one message why not."""
    with user_errors():
        train(composed, trainer_choice=HydraConfig.get().runtime.choices["trainer"])


if __name__ == "__main__":
    main()
