"""`task=explain`: where a checkpoint looks, on questions of a dataset."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.evaluating import answering_policy
from pathvlm_r1.assembly.policies import found_checkpoint
from pathvlm_r1.config import ConfigError, ExplainConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.stream import shuffled_index
from pathvlm_r1.evaluation.explain import (
    Drawing,
    Explained,
    Explainer,
    ExplainSettings,
    Explanations,
    PolicySubject,
    attention_sentences,
    explanations_markdown,
    explanations_tables,
    overlay_png,
    own_sentence,
    regions_sentence,
    summarise_explanations,
    validation,
)
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.tracking import ensure_writable, progress_over, say, write_bytes, write_json, write_text

FILES = ("explain.json", "explain.md")
OVERLAYS = "overlays"  # folder of pictures within `out`

_log = logging.getLogger(__name__)


def explain(config: ExplainConfig) -> Explanations:
    """Make maps, check them, hold them against true regions; show the tables and write the files.

    Raises:
        ConfigError: the checkpoint or the split cannot be used; before anything is loaded.
        DatasetError: the data cannot be used.
        TrackingError: `out` cannot be written.
    """
    found_checkpoint(config.model.checkpoint)
    out = Path(config.out).expanduser()
    ensure_writable(out)
    samples = _asked(config)
    explained, drawings = _explained(config, samples)
    found = summarise_explanations(explained, seed=config.seed, replicates=config.replicates)
    asked = (
        f"{config.model.checkpoint} on {config.split} of {config.dataset.name}: {found.n} questions, seed {config.seed}"
    )
    say(asked, own_sentence(found), regions_sentence(found), *explanations_tables(found), *attention_sentences(found))
    write_json(out / FILES[0], _as_json(config, found, explained))
    write_text(out / FILES[1], explanations_markdown(found, f"{asked}."))
    verdicts = {row.method: validation(row) for row in found.methods}
    for one, drawing in zip(explained, drawings, strict=False):  # the first ones are drawn
        write_bytes(out / OVERLAYS / f"{_file_name(one.sample_id)}.png", overlay_png(one, drawing, verdicts))
    say(f"{out}: {', '.join(FILES)}, {len(drawings)} pictures in {OVERLAYS}/")
    return found


def _asked(config: ExplainConfig) -> list[Sample]:
    """Questions that a map can be made for; how many others there are is said."""
    samples = load_samples(config.dataset, config.split)
    able = [sample for sample in samples if not sample.is_open and len(sample.images) == 1]
    place = f"split={config.split} of {config.dataset.name}"
    if len(able) < len(samples):
        _log.warning("%s: %d questions are open or have several pictures, and no map", place, len(samples) - len(able))
    if config.n > len(able):
        raise ConfigError(f"n={config.n}: {place} has {len(able)} questions of one picture with options")
    return [able[shuffled_index(len(able), position, seed=config.seed)] for position in range(config.n)]


def _explained(config: ExplainConfig, samples: Sequence[Sample]) -> tuple[list[Explained], list[Drawing]]:
    """All questions, and the first drawings: maps of all would not fit into memory."""
    model = replace(config.model, feature_folder=None)  # no masked picture is ever read again
    loaded = answering_policy(model, config.trainer)
    subject = PolicySubject(
        loaded.policy, SampleEncoder(loaded.encoder, Contract()), config.answer, config.rows_per_batch
    )
    settings = ExplainSettings(
        methods=config.methods, masks=config.masks, grid=config.grid, blur=config.blur, shares=config.shares,
        shifts=config.shifts, pieces=config.pieces, max_region=config.max_region, seed=config.seed,
    )  # fmt: skip
    explained: list[Explained] = []
    drawings: list[Drawing] = []
    for one, drawing in progress_over(Explainer(subject, settings)(samples), "explained", len(samples)):
        explained.append(one)
        if len(drawings) < config.overlays:
            drawings.append(drawing)
    return explained, drawings


def _as_json(config: ExplainConfig, found: Explanations, explained: Sequence[Explained]) -> dict[str, object]:
    """The numbers, what they were measured with, and every question's."""
    settings = asdict(config)
    read = {key: value for key, value in settings.items() if key not in ("model", "dataset", "trainer", "out")}
    return asdict(found) | {
        "checkpoint": config.model.checkpoint,
        "dataset": config.dataset.name,
        "max_pixels": config.model.max_pixels,
        "settings": read,
        "questions": [asdict(one) for one in explained],
    }


def _file_name(sample_id: str) -> str:
    return re.sub(r"[^\w.-]+", "_", sample_id)
