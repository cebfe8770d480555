"""What makes two runs the same run: the hash that `stage.init=auto` looks for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pathvlm_r1 import __version__
from pathvlm_r1.assembly.datasets import load_samples, samples_hash
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.config import EMBEDDED, GRPOConfig, MixtureConfig, SFTConfig, TrainConfig, decisive
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.tracking import ParentRecord, content_hash, file_hash

_HOW_NOT_WHAT = (
    "rows_per_forward",
    "tokens_per_forward",
    "packed_attention",
    "samples_every",
    "log_completions",
    "arm",
)  # of a stage: they change no weight
_ELSEWHERE = ("recipe", "checkpoint", "feature_folder")  # of a model: in the stage, as a hash, and changing no weight


def run_hash(config: TrainConfig, samples: Sequence[Sample]) -> str:
    """SHA-256 of everything that decides the weights that a run ends with."""
    stage = {key: value for key, value in asdict(config.stage).items() if key not in _HOW_NOT_WHAT}
    model = {key: value for key, value in asdict(config.model).items() if key not in _ELSEWHERE}
    part: dict[str, Any] = {
        "version": __version__,
        "contract": Contract().name,
        "stage": stage | {"stop_at": config.trainer["max_steps"]},
        "model": model | {"weights": weights_identity(config.model.checkpoint)},
        "adapter": asdict(config.adapter),
        "data": samples_hash(samples),
        "precision": config.trainer.get("precision"),
        "seed": config.seed,
    }
    if isinstance(config.dataset, MixtureConfig):
        part |= {"mixture": config.dataset.weights}
    if isinstance(config.stage, GRPOConfig):
        part |= {"objective": asdict(config.objective), "reward": asdict(config.reward)}
        part |= {"judge": decisive(config.judge)}
    if isinstance(config.stage, SFTConfig | GRPOConfig):  # validation chooses the weights
        validation = load_samples(config.dataset, "validation")
        part |= {"validation": samples_hash(validation[: config.stage.validation_samples])}
    return content_hash(part)


def weights_identity(checkpoint: str) -> str:
    """The hash of a local folder's weights; a hub id stands for itself."""
    folder = EMBEDDED_FOLDER if checkpoint == EMBEDDED else Path(checkpoint).expanduser()
    if not folder.is_dir():
        return checkpoint
    return content_hash({file.name: file_hash(file) for file in sorted(folder.glob("*.safetensors"))})


def reader_identity(checkpoint: str) -> str:
    """The hash of what stands beside a local folder's weights: tokenizer, chat template, pictures' settings."""
    folder = EMBEDDED_FOLDER if checkpoint == EMBEDDED else Path(checkpoint).expanduser()
    if not folder.is_dir():
        return checkpoint
    files = [file for kind in ("*.json", "*.jinja", "*.txt") for file in folder.glob(kind)]
    return content_hash({file.name: file_hash(file) for file in sorted(files)})


def parent_record(checkpoint: str) -> ParentRecord:
    """Where a run's weights come from; a folder that one of our runs exported names that run."""
    identity = weights_identity(checkpoint)
    if identity == checkpoint:
        return ParentRecord(id=checkpoint)
    if checkpoint == EMBEDDED:
        return ParentRecord(id=EMBEDDED, hash=identity)
    folder = Path(checkpoint).expanduser().resolve()
    run = folder.parent if (folder.parent / "manifest.json").is_file() else None
    return ParentRecord(path=str(folder), hash=identity, run=None if run is None else str(run))
