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
from pathvlm_r1.assembly.generating import Respondent
from pathvlm_r1.assembly.identity import parent_record, weights_identity
from pathvlm_r1.assembly.judging import require_judge
from pathvlm_r1.assembly.policies import found_checkpoint
from pathvlm_r1.assembly.rewards import reward_terms
from pathvlm_r1.config import ConfigError, EvalConfig, ModelConfig, PredictConfig
from pathvlm_r1.config.typed import checked
from pathvlm_r1.contract import CONTRACTS, THINK_ANSWER, Contract, EvaluationContract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.evaluation import (
    Group,
    Prediction,
    ResultRow,
    blank_images,
    letter_accuracy,
    portion_of,
    predictions_of,
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
    out_of_domain = config.dataset.out_of_domain if config.runs else ()
    datasets = [config.dataset, *map(named_dataset, out_of_domain)]
    questions = [_as_asked(config, load_samples(dataset, config.split)) for dataset in datasets]
    for contract in map(CONTRACTS.__getitem__, config.contracts):  # a question that it does not ask ends here
        for sample in (sample for samples in questions for sample in samples):
            contract.prompt(sample)
    candidates = _runs_below(config, Path(config.runs).expanduser()) if config.runs else [_single(config)]
    return [row for candidate in candidates for row in _score(config, candidate, questions)]


def answer_one(config: PredictConfig) -> Prediction:
    """Answer the question of `task=predict`."""
    image = FileImage(Path(config.image).expanduser())
    image.load()  # an unreadable picture ends here, before the model is loaded
    sample = Sample(
        sample_id=config.image, image_id=config.image, dataset="predict", question_type="question",
        question=config.question, options=config.options, answer="A", rationale="", image=image,
    )  # fmt: skip
    loaded = answering_policy(config.model, config.trainer)
    answer = answerer(
        SampleEncoder(loaded.encoder, Contract()), config.model, config.rollout, config.evaluation, terms=[]
    )
    return next(answer(loaded.policy, [sample], seed=config.seed, with_letters=True))[0]


def print_answer(config: PredictConfig) -> None:
    """The answer of `answer_one`, as JSON."""
    sys.stdout.write(json.dumps(asdict(answer_one(config)), indent=2) + "\n")


def _score(config: EvalConfig, candidate: Candidate, datasets: Sequence[Sequence[Sample]]) -> list[ResultRow]:
    """A row for every dataset and contract; contracts that ask alike read the same completions."""
    respondent = Respondent(config, candidate.model, candidate.folder.generations)
    rows = []
    for samples in datasets:
        label = f"{candidate.arm} s{candidate.seed} on {samples[0].dataset}"
        for contract in map(CONTRACTS.__getitem__, config.contracts):
            groups = respondent.generated(samples, contract, label=label, with_letters=candidate.arm == "base")
            predictions = _read(config, samples, groups, contract)
            hashes = {"checkpoint_hash": respondent.checkpoint_hash, "data_hash": samples_hash(samples)}
            rows.append(_kept_row(config, candidate, [replace(one, **hashes) for one in predictions]))
    return rows


def _read(
    config: EvalConfig, samples: Sequence[Sample], groups: Sequence[Group], contract: EvaluationContract
) -> list[Prediction]:
    """The terms score what our own contract asked for alone: it is what they read."""
    terms = reward_terms(config.reward, Contract(), config.judge) if contract.name == THINK_ANSWER else []
    size = portion_of(config.rollout.rows_per_batch, config.evaluation.samples)
    portions = range(0, len(samples), size)  # a judge is asked about so many at once
    return [
        prediction
        for start in portions
        for decodes in predictions_of(samples[start : start + size], groups[start : start + size], contract, terms)
        for prediction in decodes
    ]


def _kept_row(config: EvalConfig, candidate: Candidate, predictions: Sequence[Prediction]) -> ResultRow:
    first = predictions[0]
    path = candidate.folder.predictions / f"{prediction_name(config, first.dataset, first.contract)}.jsonl"
    path.parent.mkdir(exist_ok=True)
    write_atomically(path, lambda temporary: write_predictions(temporary, predictions))
    row = result_row(
        predictions, arm=candidate.arm, split=config.split, seed=candidate.seed,
        random=np.random.default_rng(config.seed), replicates=config.evaluation.replicates,
    )  # fmt: skip
    _announce(row, predictions, path)
    return row


def prediction_name(config: EvalConfig, dataset: str, contract: str) -> str:
    """<dataset>.<split>.<decoding>, the contract if it is not our own, and the control if there is one."""
    control = ["blank"] * config.blank_images + ["shuffled"] * config.shuffled_images
    foreign = [contract] * (contract != THINK_ANSWER)
    return ".".join([dataset, config.split, config.evaluation.name, *foreign, *control])


def _announce(row: ResultRow, predictions: Sequence[Prediction], path: Path) -> None:
    by_letter = letter_accuracy(predictions)
    _log.info(
        "%s on %s%s: accuracy %.3f [%.3f, %.3f]%s, format %.3f, process %s, n %d; %d cut at %s tokens, %s empty, "
        "%s looping, %s unread -> %s",
        row.stage, row.dataset, "" if row.contract == THINK_ANSWER else f" under {row.contract}",
        row.accuracy, row.ci_low, row.ci_high,
        "" if by_letter is None else f" (by option log-probability {by_letter:.3f})",
        row.format_rate, "-" if row.process_score is None else f"{row.process_score:.3f}", row.n,
        row.cap_hits, row.cap, row.empty, row.looping, row.unread, path,
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
