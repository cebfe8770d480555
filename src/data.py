"""Look at a dataset and the ones out of its domain: pictures with their questions, answers and findings."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from pathvlm_r1.assembly import load_samples, named_dataset
from pathvlm_r1.config import DataConfig
from pathvlm_r1.data.contact_sheet import modality_sheet
from pathvlm_r1.entry import run, user_errors
from pathvlm_r1.tracking import write_atomically


@hydra.main(version_base="1.3", config_path="../conf", config_name="data")
def main(composed: DictConfig) -> None:
    """Write one contact sheet."""
    with user_errors():
        config = DataConfig.checked(composed)
        datasets = [config.dataset, *map(named_dataset, config.dataset.out_of_domain)]
        sheet = modality_sheet({dataset.name: load_samples(dataset, config.split)[: config.n] for dataset in datasets})
        write_atomically(Path(config.out), lambda partial: sheet.save(partial, format="PNG", optimize=True))
        sys.stdout.write(f"{config.out}: {config.split} of {', '.join(dataset.name for dataset in datasets)}\n")


if __name__ == "__main__":
    run(main)
