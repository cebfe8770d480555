"""The summary of a study: what summary.json holds, and what tables and figure are drawn from."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pathvlm_r1.contract import THINK_ANSWER
from pathvlm_r1.evaluation.classes import ClassRow, class_rows
from pathvlm_r1.evaluation.collecting import GREEDY, Answers, Chosen, Collection, GradedRun
from pathvlm_r1.evaluation.comparing_arms import Comparison, compare_arms
from pathvlm_r1.evaluation.costs import TrainingCost
from pathvlm_r1.evaluation.decodes import DecodesRow, decodes_row
from pathvlm_r1.evaluation.forced_choice import ForcedChoiceRow, forced_choice_row
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.items import items_of
from pathvlm_r1.evaluation.openings_table import OpeningsRow, openings_rows
from pathvlm_r1.evaluation.predictions import Prediction
from pathvlm_r1.evaluation.quality import QualityRow, quality_row
from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap
from pathvlm_r1.evaluation.tables import ResultRow, accuracy_by_type, letter_accuracy, result_row
from pathvlm_r1.tracking import TrackingError


@dataclass(frozen=True, kw_only=True)
class ArmMean:
    """How an arm did on one dataset, on average over its seeds."""

    stage: str
    dataset: str
    split: str
    seeds: Sequence[int]
    n: int  # questions
    accuracy: float
    ci_low: float  # 95 % interval of the accuracy, conditional on these seeds
    ci_high: float
    format_rate: float
    process_score: float | None
    process_low: float | None  # 95 % interval of the process score
    process_high: float | None
    mean_completion_tokens: float
    cap_hits: float  # per seed


@dataclass(frozen=True)
class VariantRow:
    """How one run did with another decoding or contract, or with pictures that are not those of the questions."""

    decoding: str
    control: str | None
    row: ResultRow

    def as_json(self) -> dict[str, Any]:
        return {"decoding": self.decoding, "control": self.control, **self.row.as_json()}


@dataclass(frozen=True, kw_only=True)
class LetterRow:
    """Accuracy as the parser reads the text, and by the log-probabilities of the option letters."""

    stage: str
    dataset: str
    split: str
    seed: int
    accuracy: float
    letter_accuracy: float


@dataclass(frozen=True, kw_only=True)
class TypeRow:
    """Accuracy of an arm on one type of question, on average over its seeds."""

    stage: str
    dataset: str
    split: str
    question_type: str
    accuracy: float
    ci_low: float  # 95 % interval of the accuracy, conditional on these seeds
    ci_high: float


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Everything that a report says."""

    in_domain: str
    rows: Sequence[ResultRow]
    arms: Sequence[ArmMean]
    comparisons: Sequence[Comparison]
    controls: Sequence[VariantRow]
    sampled: Sequence[VariantRow]
    decodes: Sequence[DecodesRow]
    contracts: Sequence[VariantRow]  # greedy, asked and read under another contract than that of `rows`
    letters: Sequence[LetterRow]
    forced_choices: Sequence[ForcedChoiceRow]
    qualities: Sequence[QualityRow]
    types: Sequence[TypeRow]
    classes: Sequence[ClassRow]
    costs: Sequence[TrainingCost]
    openings: Sequence[OpeningsRow]  # of sealed tests
    notes: Sequence[str]

    def as_json(self) -> dict[str, Any]:
        """The contents of summary.json."""
        variants = {
            name: [row.as_json() for row in getattr(self, name)] for name in ("controls", "sampled", "contracts")
        }
        return asdict(self) | variants


def summarise(collection: Collection, *, seed: int, replicates: int) -> Summary:
    """All numbers of a report; greedy answers are the result, everything else stands beside it.

    Raises:
        TrackingError: nothing was answered greedily.
    """
    primary = [answers for answers in collection.answers if answers.is_primary]
    if not primary:
        raise TrackingError(
            f"no run has greedy predictions under {THINK_ANSWER}: evaluate with evaluation=greedy, without a control"
        )
    others = [
        VariantRow(answers.decoding, answers.control, _row(answers, seed=seed, replicates=replicates))
        for answers in collection.answers
        if not answers.is_primary
    ]
    by_arm = grouped(primary, lambda a: (a.run.arm, a.dataset, a.split)).values()
    by_dataset = grouped(primary, lambda a: (a.dataset, a.split))
    return Summary(
        in_domain=collection.in_domain,
        rows=[_row(answers, seed=seed, replicates=replicates) for answers in primary],
        arms=[_arm_mean(of_seeds, seed=seed, replicates=replicates) for of_seeds in by_arm],
        comparisons=[
            comparison
            for (dataset, split), group in by_dataset.items()
            for comparison in compare_arms(
                items_of(group), dataset=dataset, split=split, seed=seed, replicates=replicates
            )
        ],
        controls=[other for other in others if other.control is not None],
        sampled=[other for other in others if other.control is None and other.decoding != GREEDY],
        contracts=[other for other in others if other.control is None and other.decoding == GREEDY],
        decodes=[row for a in collection.answers if a.control is None and (row := decodes_row(a)) is not None],
        letters=[row for answers in primary for row in _letter_rows(answers)],
        forced_choices=[_forced_choice(chosen, seed=seed, replicates=replicates) for chosen in collection.chosen],
        qualities=[_quality(graded, seed=seed, replicates=replicates) for graded in collection.graded],
        types=[row for of_seeds in by_arm for row in _type_rows(of_seeds, seed=seed, replicates=replicates)],
        classes=[row for of_seeds in by_arm for row in _class_rows(of_seeds, seed=seed, replicates=replicates)],
        costs=collection.costs,
        openings=openings_rows(collection.openings),
        notes=collection.notes,
    )


def read_summary(path: Path) -> Summary:
    """What was written as summary.json; further keys at the top level are left aside.

    Raises:
        TrackingError: the file is missing or is not one of these.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        return Summary(
            in_domain=found["in_domain"],
            rows=[ResultRow(**row) for row in found["rows"]],
            arms=[ArmMean(**row) for row in found["arms"]],
            comparisons=[Comparison(**row) for row in found["comparisons"]],
            controls=[_variant(row) for row in found["controls"]],
            sampled=[_variant(row) for row in found["sampled"]],
            decodes=[DecodesRow(**row) for row in found.get("decodes", [])],  # not in what older versions wrote
            contracts=[_variant(row) for row in found.get("contracts", [])],  # older versions knew one
            letters=[LetterRow(**row) for row in found["letters"]],
            forced_choices=[ForcedChoiceRow(**row) for row in found.get("forced_choices", [])],  # likewise
            qualities=[QualityRow(**row) for row in found.get("qualities", [])],
            types=[TypeRow(**row) for row in found["types"]],
            classes=[ClassRow(**row) for row in found.get("classes", [])],
            costs=[TrainingCost(**row) for row in found["costs"]],
            openings=[OpeningsRow(**row) for row in found.get("openings", [])],
            notes=found["notes"],
        )
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise TrackingError(f"{path}: not a summary ({error!r}); write it with src/report.py") from error


def _variant(row: dict[str, Any]) -> VariantRow:
    of_run = {key: value for key, value in row.items() if key not in ("decoding", "control")}
    return VariantRow(row["decoding"], row["control"], ResultRow(**of_run))


def _row(answers: Answers, *, seed: int, replicates: int) -> ResultRow:
    return result_row(
        answers.predictions, arm=answers.run.arm, split=answers.split, seed=answers.run.seed,
        random=np.random.default_rng(seed), replicates=replicates,
    )  # fmt: skip


def _forced_choice(chosen: Chosen, *, seed: int, replicates: int) -> ForcedChoiceRow:
    return forced_choice_row(
        chosen.choices, arm=chosen.run.arm, split=chosen.split, seed=chosen.run.seed,
        random=np.random.default_rng(seed), replicates=replicates,
    )  # fmt: skip


def _quality(graded: GradedRun, *, seed: int, replicates: int) -> QualityRow:
    return quality_row(
        graded.answers, arm=graded.run.arm, split=graded.split, seed=graded.run.seed,
        random=np.random.default_rng(seed), replicates=replicates,
    )  # fmt: skip


def _arm_mean(of_seeds: Sequence[Answers], *, seed: int, replicates: int) -> ArmMean:
    predictions, first = _pooled(of_seeds), of_seeds[0]
    pooled = result_row(
        predictions, arm=first.run.arm, split=first.split, seed=first.run.seed,
        random=np.random.default_rng(seed), replicates=replicates,
    )  # fmt: skip
    process = _process_interval(predictions, seed=seed, replicates=replicates)
    return ArmMean(
        stage=pooled.stage, dataset=pooled.dataset, split=pooled.split,
        seeds=tuple(answers.run.seed for answers in of_seeds), n=len(first.predictions), accuracy=pooled.accuracy,
        ci_low=pooled.ci_low, ci_high=pooled.ci_high, format_rate=pooled.format_rate,
        process_score=pooled.process_score, process_low=None if process is None else process.low,
        process_high=None if process is None else process.high,
        mean_completion_tokens=pooled.mean_completion_tokens, cap_hits=pooled.cap_hits / len(of_seeds),
    )  # fmt: skip


def _pooled(of_seeds: Sequence[Answers]) -> list[Prediction]:
    """Of all seeds: they answered the same questions, so that the pooled mean is the mean over the seeds."""
    return [p for answers in of_seeds for p in answers.predictions]


def _process_interval(predictions: Sequence[Prediction], *, seed: int, replicates: int) -> Interval | None:
    known = [(p.process, p.image_id) for p in predictions if p.process is not None]
    images = [image for _, image in known]
    if len(set(images)) < 2:
        return None  # one picture says nothing of others
    values = np.array([value for value, _ in known], dtype=np.float64)
    return cluster_bootstrap(values, images, random=np.random.default_rng(seed), replicates=replicates)


def _letter_rows(answers: Answers) -> list[LetterRow]:
    by_letter = letter_accuracy(answers.predictions)
    if by_letter is None:
        return []
    parsed = float(np.mean([p.is_correct for p in answers.predictions]))
    return [
        LetterRow(
            stage=answers.run.arm, dataset=answers.dataset, split=answers.split, seed=answers.run.seed,
            accuracy=parsed, letter_accuracy=by_letter,
        )
    ]  # fmt: skip


def _type_rows(of_seeds: Sequence[Answers], *, seed: int, replicates: int) -> list[TypeRow]:
    first = of_seeds[0]
    return [
        TypeRow(
            stage=first.run.arm, dataset=first.dataset, split=first.split, question_type=name, accuracy=accuracy.mean,
            ci_low=accuracy.interval.low, ci_high=accuracy.interval.high,
        )
        for name, accuracy in accuracy_by_type(_pooled(of_seeds), seed=seed, replicates=replicates).items()
    ]  # fmt: skip


def _class_rows(of_seeds: Sequence[Answers], *, seed: int, replicates: int) -> list[ClassRow]:
    first = of_seeds[0]
    return class_rows(
        _pooled(of_seeds), stage=first.run.arm, dataset=first.dataset, split=first.split, seed=seed,
        replicates=replicates,
    )  # fmt: skip
