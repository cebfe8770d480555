"""Runs with predictions for the tests of the report, written through the functions that write real ones."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from pathvlm_r1.evaluation import Prediction, write_predictions
from pathvlm_r1.tracking import (
    DataRecord,
    Manifest,
    RunFolder,
    content_hash,
    create_run_folder,
    new_manifest,
    run_record,
)

SKILL = {"base": 0.25, "sft": 0.6, "sft_continued": 0.62, "grpo": 0.75}
TYPES = ("diagnosis", "finding", "grade")


def answered(
    arm: str, seed: int, dataset: str = "phantom", *, n: int = 40, control: str | None = None, **changes: object
) -> list[Prediction]:
    """Synthetic predictions, right with the arm's skill; the same questions for all."""
    random = np.random.default_rng([seed, len(dataset), *map(ord, arm)])
    skill = SKILL.get(arm, 0.5) - 0.15 * (dataset != "phantom") - 0.2 * (control is not None)
    predictions = []
    for index in range(n):
        is_right = bool(random.random() < skill)
        name = f"{dataset}/test/{index:05d}"
        prediction = Prediction(
            sample_id=name, image_id=name if control is None else f"{name}#{control}", dataset=dataset,
            question_type=TYPES[index % len(TYPES)], decode=0, contract="think_answer_v1", prompt_hash=f"{index:064d}",
            completion="<think></think><answer>A</answer>", answer="A" if is_right else "B", reference="A",
            is_correct=is_right, is_formatted=arm != "base", process=float(random.integers(0, 11)) / 10 * skill,
            events=None, completion_tokens=int(random.integers(10, 60)), is_capped=index == 0,
            likeliest_letter="A" if arm == "base" and index % 3 == 0 else "B" if arm == "base" else None,
        )  # fmt: skip
        predictions.append(replace(prediction, **changes))
    return predictions


@cache
def any_manifest() -> Manifest:
    """Made once: it asks git and every package for their versions."""
    return new_manifest(
        name="run", arm="sft", stage="sft", config={}, content_hash="", data=DataRecord(name="phantom", hash="d" * 64),
        parent=None, seeds={"seed": 0},
    )  # fmt: skip


def evaluated_run(
    output: Path, arm: str, seed: int = 0, *, files: dict[str, list[Prediction]] | None = None, configuration: int = 0,
    dataset: str = "phantom",
) -> Path:  # fmt: skip
    """A finished run with its predictions, by default those of phantom and phantom_ct."""
    folder = create_run_folder(output, f"{arm}-s{seed}")
    identity = {"arm": arm, "seed": seed, "configuration": configuration}
    manifest = replace(
        any_manifest(), name=folder.path.name, arm=arm, stage=arm, config=identity, content_hash=content_hash(identity),
        data=DataRecord(name=dataset, hash="d" * 64), seeds={"seed": seed},
    )  # fmt: skip
    if files is None:
        files = {f"{name}.test.greedy": answered(arm, seed, name) for name in ("phantom", "phantom_ct")}
    with run_record(folder, manifest):
        add_predictions(folder.path, files)
    return folder.path


def add_predictions(run: Path, files: dict[str, list[Prediction]]) -> None:
    """Predictions under <dataset>.<split>.<decoding>[.<control>]."""
    for name, predictions in files.items():
        path = RunFolder(run).predictions / f"{name}.jsonl"
        path.parent.mkdir(exist_ok=True)
        write_predictions(path, predictions)


def study(output: Path, seeds: tuple[int, ...] = (0, 1, 2)) -> Path:
    """Base, SFT, its continuation and GRPO, the trained arms with several seeds."""
    evaluated_run(output, "base")
    for seed in seeds:
        for arm in ("sft", "sft_continued", "grpo"):
            evaluated_run(output, arm, seed)
    return output
