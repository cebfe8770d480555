"""The evaluation of checkpoints: every dataset asked for, predictions into the run's folder, one row each."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from omegaconf import OmegaConf

from pathvlm_r1.assembly.datasets import load_samples, named_dataset, samples_hash
from pathvlm_r1.assembly.evaluating import answerer, answering_policy
from pathvlm_r1.assembly.identity import parent_record, weights_identity
from pathvlm_r1.assembly.judging import require_judge
from pathvlm_r1.assembly.policies import found_checkpoint
from pathvlm_r1.assembly.rewards import reward_terms
from pathvlm_r1.config import ConfigError, EvalConfig, ModelConfig, PredictConfig, unable_judges
from pathvlm_r1.config.typed import checked
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.evaluation import (
    Prediction,
    ResultRow,
    blank_images,
    letter_accuracy,
    result_row,
    shuffled_images,
    write_predictions,
)
from pathvlm_r1.model import SampleEncoder
from pathvlm_r1.tracking import (
    DataRecord,
    Manifest,
    RunFolder,
    content_hash,
    create_run_folder,
    manifests_below,
    new_manifest,
    progress_over,
    read_manifest,
    run_record,
    write_atomically,
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Candidate:
    """A checkpoint to be evaluated."""

    arm: str
    seed: int
    model: ModelConfig
    folder: RunFolder  # where its predictions go


def evaluate(config: EvalConfig) -> list[ResultRow]:
    """Evaluate the checkpoint, or every finished run below `runs` together with the base that they began with."""
    if config.reward.process is not None:
        require_judge(config.judge)
    if unable := unable_judges(config.reward, config.judge, config.dataset):
        _log.warning(
            "dataset=%s says nothing of reasoning: %s gives it no process score; judge=openai or judge=rules would",
            config.dataset.name, ", ".join(unable),
        )  # fmt: skip
    out_of_domain = config.dataset.out_of_domain if config.runs else ()
    datasets = [config.dataset, *map(named_dataset, out_of_domain)]
    questions = [_as_asked(config, load_samples(dataset, config.split)) for dataset in datasets]
    candidates = _runs_below(config, Path(config.runs).expanduser()) if config.runs else [_single(config)]
    return [_score(config, candidate, samples) for candidate in candidates for samples in questions]


def answer_one(config: PredictConfig) -> Prediction:
    """Answer the question of `task=predict`."""
    image = FileImage(Path(config.image).expanduser())
    image.load()  # an unreadable picture ends here, before the model is loaded
    sample = Sample(
        sample_id=config.image, image_id=config.image, dataset="predict", question_type="question",
        question=config.question, options=config.options, answer="A", rationale="", images=(image,),
    )  # fmt: skip
    loaded = answering_policy(config.model, config.trainer)
    answer = answerer(
        SampleEncoder(loaded.encoder, Contract()), config.model, config.rollout, config.evaluation, terms=[]
    )
    return next(answer(loaded.policy, [sample], seed=config.seed, with_letters=True))[0]


def print_answer(config: PredictConfig) -> None:
    """The answer of `answer_one`, as JSON."""
    sys.stdout.write(json.dumps(asdict(answer_one(config)), indent=2) + "\n")


def _score(config: EvalConfig, candidate: Candidate, samples: Sequence[Sample]) -> ResultRow:
    loaded = answering_policy(candidate.model, config.trainer)
    encoder = SampleEncoder(loaded.encoder, Contract())
    terms = reward_terms(config.reward, encoder.contract, config.judge)
    answer = answerer(encoder, candidate.model, config.rollout, config.evaluation, terms)
    label = f"{candidate.arm} s{candidate.seed} on {samples[0].dataset}"
    answered = answer(loaded.policy, samples, seed=config.seed, with_letters=candidate.arm == "base")
    predictions = [p for decodes in progress_over(answered, label, len(samples)) for p in decodes]
    path = candidate.folder.predictions / f"{prediction_name(config, samples[0].dataset)}.jsonl"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda temporary: write_predictions(temporary, predictions))
    row = result_row(
        predictions, arm=candidate.arm, split=config.split, seed=candidate.seed,
        random=np.random.default_rng(config.seed), replicates=config.evaluation.replicates,
    )  # fmt: skip
    _announce(row, predictions, path)
    return row


def prediction_name(config: EvalConfig, dataset: str) -> str:
    """<dataset>.<split>.<decoding>, and the control if there is one."""
    control = ["blank"] * config.blank_images + ["shuffled"] * config.shuffled_images
    return ".".join([dataset, config.split, config.evaluation.name, *control])


def _announce(row: ResultRow, predictions: Sequence[Prediction], path: Path) -> None:
    by_letter = letter_accuracy(predictions)
    _log.info(
        "%s on %s: accuracy %.3f [%.3f, %.3f]%s, format %.3f, process %s, %d cap hits, n %d -> %s",
        row.stage, row.dataset, row.accuracy, row.ci_low, row.ci_high,
        "" if by_letter is None else f" (by option log-probability {by_letter:.3f})",
        row.format_rate, "-" if row.process_score is None else f"{row.process_score:.3f}", row.cap_hits, row.n, path,
    )  # fmt: skip


def _as_asked(config: EvalConfig, samples: list[Sample]) -> list[Sample]:
    if config.blank_images:
        return blank_images(samples)
    return shuffled_images(samples) if config.shuffled_images else samples


def _single(config: EvalConfig) -> Candidate:
    """`model.checkpoint` itself; a run of ours keeps its predictions, any other gets a folder under `output`."""
    found_checkpoint(config.model.checkpoint)
    run = Path(config.model.checkpoint).expanduser().resolve().parent
    if (run / "manifest.json").is_file():
        manifest = read_manifest(run)
        return Candidate(manifest.arm, manifest.seeds["seed"], config.model, RunFolder(run))
    return Candidate("base", config.seed, config.model, _base_folder(config, config.model))


def _runs_below(config: EvalConfig, folder: Path) -> list[Candidate]:
    finished = [
        (run, manifest)
        for run, manifest in manifests_below(folder)
        if manifest.status == "finished" and manifest.arm != "base"
    ]
    finished.sort(key=lambda one: one[1].started_at)  # a parent before its child, also within one second
    if not finished:
        raise ConfigError(f"runs={folder}: no finished run below it; train one with output={folder}")
    runs = [Candidate(m.arm, m.seeds["seed"], _exported(m, run), run) for run, m in finished]
    return [*_bases(config, [manifest for _, manifest in finished]), *runs]


def _exported(manifest: Manifest, run: RunFolder) -> ModelConfig:
    model = checked(ModelConfig, OmegaConf.create(dict(manifest.config["model"])))
    return replace(model, checkpoint=str(run.export))


def _bases(config: EvalConfig, manifests: Sequence[Manifest]) -> Iterator[Candidate]:
    """One candidate for every checkpoint that a run began with and that is no run of ours."""
    seen: set[str] = set()
    for manifest in manifests:
        model = checked(ModelConfig, OmegaConf.create(dict(manifest.config["model"])))
        is_ours = parent_record(model.checkpoint).run is not None
        identity = weights_identity(model.checkpoint)
        if not is_ours and identity not in seen:
            seen.add(identity)
            yield Candidate("base", 0, model, _base_folder(config, model))


def _base_folder(config: EvalConfig, model: ModelConfig) -> RunFolder:
    """The folder of a base model's predictions: the one that is there, or a new one."""
    output = Path(config.runs or config.output).expanduser()
    identity = content_hash({"base": weights_identity(model.checkpoint)})
    for run, manifest in manifests_below(output):
        if manifest.content_hash == identity and manifest.arm == "base":
            return run
    folder = create_run_folder(output, f"base-{model.name}")
    manifest = new_manifest(
        name=folder.path.name, arm="base", stage="base", config={"model": asdict(model)}, content_hash=identity,
        data=DataRecord(name=config.dataset.name, hash=samples_hash(load_samples(config.dataset, "test"))),
        parent=parent_record(model.checkpoint), seeds={"seed": 0},
    )  # fmt: skip
    with run_record(folder, manifest):
        pass
    return folder
