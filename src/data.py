"""Look at a dataset: a contact sheet with those out of its domain, or its questions as lines for other programs."""

from __future__ import annotations

import sys
from pathlib import Path

import hydra
from omegaconf import DictConfig

from pathvlm_r1.assembly import load_samples, named_dataset, sample_lines
from pathvlm_r1.config import DataConfig
from pathvlm_r1.data.contact_sheet import modality_sheet
from pathvlm_r1.entry import run, user_errors
from pathvlm_r1.tracking import write_atomically

SHEET = "sheet.png"


def write_sheet(config: DataConfig) -> None:
    """One contact sheet."""
    datasets = [config.dataset, *map(named_dataset, config.dataset.out_of_domain)]
    sheet = modality_sheet({dataset.name: load_samples(dataset, config.split)[: config.n] for dataset in datasets})
    out = config.out or SHEET
    write_atomically(Path(out), lambda partial: sheet.save(partial, format="PNG", optimize=True))
    sys.stdout.write(f"{out}: {config.split} of {', '.join(dataset.name for dataset in datasets)}\n")


def write_lines(config: DataConfig) -> None:
    """A line of JSON for each question."""
    lines = "".join(f"{line}\n" for line in sample_lines(config.dataset, config.split, config.n))
    if config.out is None:
        sys.stdout.write(lines)
    else:
        write_atomically(Path(config.out), lambda partial: partial.write_text(lines, encoding="utf-8"))


FORMATS = {"sheet": write_sheet, "jsonl": write_lines}


@hydra.main(version_base="1.3", config_path="../conf", config_name="data")
def main(composed: DictConfig) -> None:
    """Write what was asked for."""
    with user_errors():
        config = DataConfig.checked(composed)
        FORMATS[config.format](config)


if __name__ == "__main__":
    run(main)
