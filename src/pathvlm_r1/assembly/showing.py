"""A look at a dataset: a contact sheet with its prompts, or lines with completions that deserve the full reward."""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from pathvlm_r1.assembly.datasets import load_samples, named_dataset
from pathvlm_r1.assembly.shown_prompts import prompts_text
from pathvlm_r1.config import BCCDConfig, DataConfig, PhantomConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.contact_sheet import modality_sheet
from pathvlm_r1.tracking import write_atomically, write_text

SHEET = "sheet.png"


def show(config: DataConfig) -> None:
    """Write what `src/data.py` was asked for.

    Raises:
        DatasetError: the data cannot be used.
        TrackingError: `out` cannot be written.
    """
    {"sheet": _write_sheet, "jsonl": _write_lines}[config.format](config)


def _write_sheet(config: DataConfig) -> None:
    """The pictures of a dataset and of those out of its domain, with questions, answers and findings; the prompts."""
    datasets = [config.dataset, *map(named_dataset, config.dataset.out_of_domain)]
    shown = {dataset.name: _spread(load_samples(dataset, config.split), config.n) for dataset in datasets}
    out = Path(config.out or SHEET)
    prompts = out.with_suffix(".prompts.txt")
    text, sheet = prompts_text(config.model, shown), modality_sheet(shown)
    write_atomically(out, lambda partial: sheet.save(partial, format="PNG", optimize=True))
    write_text(prompts, text)
    sys.stdout.write(f"{out}: {config.split} of {', '.join(shown)}\n{prompts}: as {config.model.name} is asked\n")


def _spread(samples: Sequence[Sample], n: int) -> list[Sample]:
    """The first `n` questions that show as many pictures as there are, and on these as many kinds of question."""
    left, chosen = list(samples), list[Sample]()
    images, kinds = Counter[str](), Counter[str]()
    while left and len(chosen) < n:
        rarest = min(range(len(left)), key=lambda i: (images[left[i].image_id], kinds[left[i].question_type]))
        chosen.append(left.pop(rarest))
        images[chosen[-1].image_id] += 1
        kinds[chosen[-1].question_type] += 1
    return chosen


def _write_lines(config: DataConfig) -> None:
    """A line of JSON for each question, to a file or the screen."""
    lines = "".join(f"{json.dumps(line, ensure_ascii=False)}\n" for line in _lines(config))
    if config.out is None:
        sys.stdout.write(lines)
    else:
        write_text(Path(config.out), lines)


def _lines(config: DataConfig) -> Iterator[dict[str, object]]:
    """Questions with a reference in the complete style, whatever the styles of the dataset's own rationales."""
    dataset = config.dataset
    if isinstance(dataset, PhantomConfig | BCCDConfig):
        complete = {style: float(style == "complete") for style in dataset.style_shares}
        dataset = replace(dataset, style_shares=complete)
    for sample in load_samples(dataset, config.split)[: config.n]:
        yield {
            "id": sample.sample_id, "question": sample.question, "options": list(sample.options),
            "answer": sample.answer, "reference": Contract().target(sample),
        }  # fmt: skip
