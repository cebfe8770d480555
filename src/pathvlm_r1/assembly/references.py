"""Samples as lines for other programs, each with a completion that deserves the full reward."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.config import DatasetConfig
from pathvlm_r1.contract import Contract


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
