"""Look at a dataset: a contact sheet with those out of its domain, or its questions as lines for other programs."""

from __future__ import annotations

import hydra
from omegaconf import DictConfig

from pathvlm_r1.assembly import show
from pathvlm_r1.config import DataConfig
from pathvlm_r1.entry import run, user_errors


@hydra.main(version_base="1.3", config_path="../conf", config_name="data")
def main(composed: DictConfig) -> None:
    """Write what was asked for."""
    with user_errors():
        show(DataConfig.checked(composed))


if __name__ == "__main__":
    run(main)
