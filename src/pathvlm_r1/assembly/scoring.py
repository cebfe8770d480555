"""The evaluation of checkpoints: predictions on every dataset under every contract asked for, and a row for each."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pathvlm_r1.assembly.candidates import Candidate, candidates_of
from pathvlm_r1.assembly.choosing import choose
from pathvlm_r1.assembly.datasets import load_samples, named_dataset, samples_hash
from pathvlm_r1.assembly.evaluating import answerer, answering_policy
from pathvlm_r1.assembly.generating import Respondent
from pathvlm_r1.assembly.judging import require_judge
from pathvlm_r1.assembly.qualities import judge_quality, require_quality_judge
from pathvlm_r1.assembly.rewards import reward_terms
from pathvlm_r1.assembly.sealing import confirmed_samples, register_openings
from pathvlm_r1.config import (
    SEALED,
    EvalConfig,
    EvaluationConfig,
    ForcedChoiceConfig,
    JudgeQualityConfig,
    PredictConfig,
    unable_judges,
)
from pathvlm_r1.contract import CONTRACTS, THINK_ANSWER, Contract, EvaluationContract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.evaluation import (
    ForcedChoiceRow,
    Group,
    Prediction,
    QualityRow,
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
from pathvlm_r1.tracking import DataRecord, write_atomically

_log = logging.getLogger(__name__)


Row = ResultRow | ForcedChoiceRow | QualityRow


def evaluate(config: EvalConfig) -> list[Row]:
    """Measure the checkpoint, or every finished run below `runs` together with the base that they began with.

    Raises:
        ConfigError: a checkpoint, a judge or a contract cannot be used, or a sealed test is not confirmed; before
            anything is loaded.
        DatasetError: the data cannot be used, or a contract does not ask such questions.
        JudgeError: a judge ends it.
        TrackingError: a file cannot be read or written.
    """
    measure = _measure_of(config)
    out_of_domain = config.dataset.out_of_domain if config.runs else ()
    datasets = [config.dataset, *map(named_dataset, out_of_domain)]
    is_sealed = config.split == SEALED
    read = [
        confirmed_samples(config, dataset) if is_sealed else load_samples(dataset, config.split) for dataset in datasets
    ]
    questions = [_as_asked(config, samples) for samples in read]
    for contract in map(CONTRACTS.__getitem__, config.contracts):  # a question that it does not ask ends here
        for sample in (sample for samples in questions for sample in samples):
            contract.prompt(sample)
    candidates = candidates_of(config, DataRecord(name=config.dataset.name, hash=samples_hash(read[0])))
    if is_sealed:
        register_openings(config, read[0], candidates)
    return [row for candidate in candidates for row in measure(config, candidate, questions)]


def _measure_of(config: EvalConfig) -> Callable[[EvalConfig, Candidate, Sequence[Sequence[Sample]]], Sequence[Row]]:
    """What the chosen evaluation does with one candidate; a judge that it cannot ask ends here."""
    if isinstance(config.evaluation, ForcedChoiceConfig):
        return choose
    if isinstance(config.evaluation, JudgeQualityConfig):
        require_quality_judge(config)
        return judge_quality
    if config.reward.process is not None:
        require_judge(config.judge)
    if unable := unable_judges(config.reward, config.judge, config.dataset):
        _log.warning(
            "dataset=%s says nothing of reasoning: %s gives it no process score; judge=openai or judge=rules would",
            config.dataset.name, ", ".join(unable),
        )  # fmt: skip
    return _score


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


def _score(config: EvalConfig, candidate: Candidate, datasets: Sequence[Sequence[Sample]]) -> list[ResultRow]:
    """A row for every dataset and contract; contracts that ask alike read the same completions."""
    respondent = Respondent(config, _decoded(config), candidate.model, candidate.folder.generations)
    rows = []
    for samples in datasets:
        label = f"{candidate.arm} s{candidate.seed} on {samples[0].dataset}"
        data_hash = samples_hash(samples)
        for contract in map(CONTRACTS.__getitem__, config.contracts):
            groups = respondent.generated(samples, contract, label=label, with_letters=candidate.arm == "base")
            predictions = _read(config, samples, groups, contract)
            known = [
                replace(one, checkpoint_hash=respondent.checkpoint_hash, data_hash=data_hash) for one in predictions
            ]
            rows.append(_kept_row(config, candidate, known))
    return rows


def _decoded(config: EvalConfig) -> EvaluationConfig:
    if not isinstance(config.evaluation, EvaluationConfig):
        raise TypeError(f"evaluation={config.evaluation.name} decodes no answers")
    return config.evaluation


def _read(
    config: EvalConfig, samples: Sequence[Sample], groups: Sequence[Group], contract: EvaluationContract
) -> list[Prediction]:
    """The terms score what our own contract asked for alone: it is what they read."""
    terms = reward_terms(config.reward, Contract(), config.judge) if contract.name == THINK_ANSWER else []
    size = portion_of(config.rollout.rows_per_batch, _decoded(config).samples)
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
