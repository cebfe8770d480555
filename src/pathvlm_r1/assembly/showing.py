"""A look at a dataset: a contact sheet for people, or lines for other programs with a completion that is fully paid."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pathvlm_r1.assembly.datasets import load_samples, named_dataset
from pathvlm_r1.config import DataConfig, DatasetConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.contact_sheet import modality_sheet
from pathvlm_r1.tracking import write_atomically

SHEET = "sheet.png"


def show_dataset(config: DataConfig) -> None:
    """Write what was asked for.

    Raises:
        ConfigError: a dataset out of the domain is none.
        DatasetError: the data cannot be used.
        TrackingError: `out` cannot be written.
    """
    _FORMATS[config.format](config)


def _show_sheet(config: DataConfig) -> None:
    datasets = [config.dataset, *map(named_dataset, config.dataset.out_of_domain)]
    sheet = modality_sheet({dataset.name: load_samples(dataset, config.split)[: config.n] for dataset in datasets})
    out = config.out or SHEET
    write_atomically(Path(out), lambda partial: sheet.save(partial, format="PNG", optimize=True))
    sys.stdout.write(f"{out}: {config.split} of {', '.join(dataset.name for dataset in datasets)}\n")


def _show_lines(config: DataConfig) -> None:
    lines = "".join(f"{line}\n" for line in sample_lines(config.dataset, config.split, config.n))
    if config.out is None:
        sys.stdout.write(lines)
    else:
        write_atomically(Path(config.out), lambda partial: partial.write_text(lines, encoding="utf-8"))


_FORMATS = {"sheet": _show_sheet, "jsonl": _show_lines}


def sample_lines(dataset: DatasetConfig, split: str, n: int) -> Iterator[str]:
    """JSON of the first questions of a split: id, question, options, answer, and a reference in the complete style.

    Args:
        dataset: of which the styles of the reference rationales are left aside.
        split: of it.
        n: questions at most.
    """
    complete = {style: float(style == "complete") for style in dataset.style_shares}
    for sample in load_samples(replace(dataset, style_shares=complete), split)[:n]:
        line = {
            "id": sample.sample_id, "question": sample.question, "options": list(sample.options),
            "answer": sample.answer, "reference": Contract().target(sample),
        }  # fmt: skip
        yield json.dumps(line, ensure_ascii=False)
