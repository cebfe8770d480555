"""Which checkpoints an evaluation is about, and the folders that keep what they answer."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from omegaconf import OmegaConf

from pathvlm_r1.assembly.identity import parent_record, weights_identity
from pathvlm_r1.assembly.policies import found_checkpoint
from pathvlm_r1.config import ConfigError, EvalConfig, ModelConfig
from pathvlm_r1.config.typed import checked
from pathvlm_r1.evaluation import several_recipes
from pathvlm_r1.tracking import (
    DataRecord,
    Manifest,
    RunFolder,
    content_hash,
    create_run_folder,
    manifests_below,
    new_manifest,
    read_manifest,
    run_record,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A checkpoint to be evaluated."""

    arm: str
    seed: int
    model: ModelConfig
    folder: RunFolder  # where its predictions go


def candidates_of(config: EvalConfig, data: DataRecord) -> list[Candidate]:
    """The checkpoint, or every finished run below `runs` together with the base that they began with.

    Args:
        config: which these are.
        data: what they are asked, for the manifest of a base that gets a folder here.

    Raises:
        ConfigError: there is none.
    """
    return _runs_below(config, data, Path(config.runs).expanduser()) if config.runs else [_single(config, data)]


def _single(config: EvalConfig, data: DataRecord) -> Candidate:
    """`model.checkpoint` itself; a run of ours keeps its predictions, any other gets a folder under `output`."""
    found_checkpoint(config.model.checkpoint)
    run = Path(config.model.checkpoint).expanduser().resolve().parent
    if (run / "manifest.json").is_file():
        manifest = read_manifest(run)
        return Candidate(manifest.arm, manifest.seeds["seed"], config.model, RunFolder(run))
    return Candidate("base", config.seed, config.model, _base_folder(config, data, config.model))


def _runs_below(config: EvalConfig, data: DataRecord, folder: Path) -> list[Candidate]:
    finished = [
        (run, manifest)
        for run, manifest in manifests_below(folder)
        if manifest.status == "finished" and manifest.arm != "base"
    ]
    finished.sort(key=lambda one: one[1].started_at)  # a parent before its child, also within one second
    if not finished:
        raise ConfigError(f"runs={folder}: no finished run below it; train one with output={folder}")
    if fault := several_recipes(finished):
        _log.warning("src/report.py will make no table of runs=%s: %s", folder, fault)
    runs = [Candidate(m.arm, m.seeds["seed"], _exported(m, run), run) for run, m in finished]
    return [*_bases(config, data, [manifest for _, manifest in finished]), *runs]


def _exported(manifest: Manifest, run: RunFolder) -> ModelConfig:
    model = checked(ModelConfig, OmegaConf.create(dict(manifest.config["model"])))
    return replace(model, checkpoint=str(run.export))


def _bases(config: EvalConfig, data: DataRecord, manifests: Sequence[Manifest]) -> Iterator[Candidate]:
    """One candidate for every checkpoint that a run began with and that is no run of ours."""
    seen: set[str] = set()
    for manifest in manifests:
        model = checked(ModelConfig, OmegaConf.create(dict(manifest.config["model"])))
        is_ours = parent_record(model.checkpoint).run is not None
        identity = weights_identity(model.checkpoint)
        if not is_ours and identity not in seen:
            seen.add(identity)
            yield Candidate("base", 0, model, _base_folder(config, data, model))


def _base_folder(config: EvalConfig, data: DataRecord, model: ModelConfig) -> RunFolder:
    """The folder of a base model's predictions: the one that is there, or a new one."""
    output = Path(config.runs or config.output).expanduser()
    identity = content_hash({"base": weights_identity(model.checkpoint)})
    for run, manifest in manifests_below(output):
        if manifest.content_hash == identity and manifest.arm == "base":
            return run
    folder = create_run_folder(output, f"base-{model.name}")
    manifest = new_manifest(
        name=folder.path.name, arm="base", stage="base", config={"model": asdict(model)}, content_hash=identity,
        data=data, parent=parent_record(model.checkpoint), seeds={"seed": 0},
    )  # fmt: skip
    with run_record(folder, manifest):
        pass
    return folder
