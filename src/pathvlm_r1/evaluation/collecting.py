"""Collecting: the finished runs below a folder, one per arm and seed, with the predictions that stand in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pathvlm_r1.config import SEALED
from pathvlm_r1.contract import CONTRACTS, THINK_ANSWER
from pathvlm_r1.evaluation.costs import TrainingCost, training_cost, weights_note
from pathvlm_r1.evaluation.forced_choice import Choice, read_choices
from pathvlm_r1.evaluation.grouping import Entry, grouped
from pathvlm_r1.evaluation.openings import Opening, openings_below
from pathvlm_r1.evaluation.predictions import Prediction, read_predictions
from pathvlm_r1.evaluation.quality import GradedAnswer, read_graded
from pathvlm_r1.evaluation.recipes import several_recipes
from pathvlm_r1.tracking import Manifest, RunFolder, TrackingError, manifests_below

BASE = "base"
GREEDY = "greedy"
CONTROLS = ("blank", "shuffled")
ARM_ORDER = (BASE, "sft", "sft_continued", "grpo", "grpo_shuffled")


@dataclass(frozen=True, kw_only=True)
class EvaluatedRun:
    """A finished run that has answered questions."""

    folder: Path
    arm: str
    seed: int
    trained_on: str  # name of its dataset
    finished_at: str
    cost: TrainingCost | None  # None of a base model
    weights_note: str | None  # None where all reward weights are 1


@dataclass(frozen=True, kw_only=True)
class Answers:
    """What one run answered on one split with one decoding, under one contract."""

    run: EvaluatedRun
    dataset: str
    split: str
    decoding: str
    control: str | None  # one of CONTROLS: the pictures were not those of the questions
    contract: str  # that they were asked and read under
    predictions: tuple[Prediction, ...]

    @property
    def is_primary(self) -> bool:
        """Whether the main tables stand on them."""
        return self.decoding == GREEDY and self.control is None and self.contract == THINK_ANSWER


@dataclass(frozen=True, kw_only=True)
class Chosen:
    """What one run chose on one split when it had to."""

    run: EvaluatedRun
    split: str
    choices: tuple[Choice, ...]


@dataclass(frozen=True, kw_only=True)
class GradedRun:
    """What one run answered on one split, graded."""

    run: EvaluatedRun
    split: str
    answers: tuple[GradedAnswer, ...]


@dataclass(frozen=True)
class Collection:
    """All answers of one study, arms in the order of the method, the dataset that was trained on first."""

    in_domain: str
    answers: tuple[Answers, ...]
    costs: tuple[TrainingCost, ...]  # of the runs that were trained, arms in the same order
    chosen: tuple[Chosen, ...]
    graded: tuple[GradedRun, ...]
    openings: tuple[Opening, ...]  # of sealed tests
    notes: tuple[str, ...]  # what a reader must know of how runs were chosen and rewarded

    @property
    def in_domain_test(self) -> list[Answers]:
        """The greedy answers that items.csv is made of."""
        at_home = [a for a in self.answers if a.is_primary and a.dataset == self.in_domain]
        return [answers for answers in at_home if answers.split == "test"]


def collect(folder: Path) -> Collection:
    """Read every finished run below a folder that has predictions.

    Of several runs with one configuration the one that finished last is taken, which is noted.

    Raises:
        TrackingError: there is none; one arm and seed has runs of different configurations; the runs were trained on
            different datasets; seeds or arms answered different questions; or a file cannot be read.
    """
    evaluated = _evaluated(folder)
    if fault := several_recipes(evaluated):
        raise TrackingError(fault)
    runs, notes = _one_per_arm_and_seed([_as_run(*one) for one in evaluated])
    trained_on = grouped(runs, lambda run: run.trained_on)
    if len(trained_on) != 1:
        listed = "; ".join(f"{name}: {_names(group)}" for name, group in trained_on.items())
        several = f"runs were trained on several datasets ({listed}). Report on a folder that holds those of one"
        none = f"no finished run below it has predictions. Evaluate first: python src/eval.py runs={folder}"
        raise TrackingError(f"runs={folder}: {several if runs else none}")
    in_domain = next(iter(trained_on))
    answers = [answered for run in runs for answered in _answers(run)]
    answers.sort(key=lambda a: (arm_rank(a.run.arm), a.run.seed, dataset_rank(a, in_domain)))
    _require_same_questions(answers)
    runs.sort(key=lambda run: (arm_rank(run.arm), run.seed))
    chosen = [
        Chosen(run=run, split=split, choices=tuple(choices))
        for run in runs
        for split, choices in _measured(RunFolder(run.folder).choices, read_choices)
    ]
    graded = [
        GradedRun(run=run, split=split, answers=tuple(answers))
        for run in runs
        for split, answers in _measured(RunFolder(run.folder).qualities, read_graded)
    ]
    costs = [run.cost for run in runs if run.cost is not None]
    openings = openings_below(folder)
    notes += [run.weights_note for run in runs if run.weights_note is not None] + _unregistered(answers, openings)
    return Collection(
        in_domain, tuple(answers), tuple(costs), tuple(chosen), tuple(graded), tuple(openings), tuple(notes)
    )


def arm_rank(arm: str) -> tuple[int, str]:
    """Sorts arms as the method makes them: the base first, what is not of the method last."""
    return (ARM_ORDER.index(arm) if arm in ARM_ORDER else len(ARM_ORDER), arm)


def dataset_rank(answers: Answers, in_domain: str) -> tuple[bool, str, bool, str]:
    """Sorts the dataset that was trained on first, and of each dataset the test split."""
    return (answers.dataset != in_domain, answers.dataset, answers.split != "test", answers.split)


def _evaluated(folder: Path) -> list[tuple[RunFolder, Manifest]]:
    return [
        (run, manifest)
        for run, manifest in manifests_below(folder)
        if manifest.status == "finished" and any(run.predictions.glob("*.jsonl"))
    ]


def _as_run(run: RunFolder, manifest: Manifest) -> EvaluatedRun:
    return EvaluatedRun(
        folder=run.path, arm=manifest.arm, seed=manifest.seeds["seed"], trained_on=manifest.data.name,
        finished_at=manifest.finished_at or "", cost=training_cost(manifest), weights_note=weights_note(manifest),
    )  # fmt: skip


def _one_per_arm_and_seed(runs: Sequence[EvaluatedRun]) -> tuple[list[EvaluatedRun], list[str]]:
    """The run of each arm and seed that finished last, and a note where there were others."""
    chosen, notes = [], []
    for (arm, seed), same in grouped(runs, lambda run: (run.arm, run.seed)).items():
        latest = max(same, key=lambda run: run.finished_at)
        chosen.append(latest)
        if len(same) > 1:
            notes.append(f"{arm}, seed {seed}: of {len(same)} runs of one configuration, the latest: {latest.folder}")
    return chosen, notes


def _answers(run: EvaluatedRun) -> list[Answers]:
    return [_read(run, path) for path in sorted(RunFolder(run.folder).predictions.glob("*.jsonl"))]


def _measured(folder: Path, read: Callable[[Path], list[Entry]]) -> Iterator[tuple[str, list[Entry]]]:
    """Split and lines of every file <dataset>.<split>.<evaluation>.jsonl of a folder."""
    for path in sorted(folder.glob("*.jsonl")):
        try:
            found = read(path)
        except ValueError as error:
            raise TrackingError(str(error)) from error
        if not found or path.stem.count(".") < 2:
            raise TrackingError(f"{path}: not a file <dataset>.<split>.<evaluation>.jsonl with lines; remove it")
        yield path.stem.split(".")[-2], found


def _read(run: EvaluatedRun, path: Path) -> Answers:
    dataset, split, decoding, contract, control = name_parts(path)
    return Answers(
        run=run, dataset=dataset, split=split, decoding=decoding, control=control, contract=contract,
        predictions=read_answers(path),
    )  # fmt: skip


def name_parts(path: Path) -> tuple[str, str, str, str, str | None]:
    """Dataset, split, decoding, contract and control of <dataset>.<split>.<decoding>[.<contract>][.<control>].jsonl.

    Raises:
        TrackingError: the file is named otherwise.
    """
    parts = path.stem.split(".")
    control = parts.pop() if parts[-1] in CONTROLS else None
    contract = parts.pop() if parts[-1] in CONTRACTS else THINK_ANSWER
    if len(parts) < 3:
        raise TrackingError(f"{path}: predictions are named <dataset>.<split>.<decoding>.jsonl; rename or remove it")
    return ".".join(parts[:-2]), parts[-2], parts[-1], contract, control


def read_answers(path: Path) -> tuple[Prediction, ...]:
    """The predictions of one file.

    Raises:
        TrackingError: it cannot be read, or holds none.
    """
    try:
        predictions = tuple(read_predictions(path))
    except (OSError, ValueError) as error:
        raise TrackingError(str(error)) from error
    if not predictions:
        raise TrackingError(f"{path}: holds no prediction; evaluate the run again")
    return predictions


def _require_same_questions(answers: Sequence[Answers]) -> None:
    """Refuse a table whose rows would stand on different questions, prompts or contracts."""
    primary = [answered for answered in answers if answered.is_primary]
    for (dataset, split), group in grouped(primary, lambda a: (a.dataset, a.split)).items():
        first, *others = group
        asked = _asked(first)
        for other in others:
            if _asked(other) != asked:
                raise TrackingError(
                    f"{dataset}.{split}: {first.run.folder} and {other.run.folder} cannot be compared: "
                    f"{_how_they_differ(first, other)}. Evaluate both with the same package and dataset."
                )
        if len({p.sample_id for p in first.predictions}) != len(first.predictions):
            raise TrackingError(f"{first.run.folder}: {dataset}.{split}.{GREEDY} answers a question more than once")


def _asked(answers: Answers) -> list[tuple[str, str, str, str, str]]:
    return sorted((p.sample_id, p.image_id, p.reference, p.prompt_hash, p.contract) for p in answers.predictions)


def _how_they_differ(first: Answers, second: Answers) -> str:
    contracts = [sorted({p.contract for p in answers.predictions}) for answers in (first, second)]
    if contracts[0] != contracts[1]:
        return f"contract {', '.join(contracts[0])} against {', '.join(contracts[1])}"
    only = {p.sample_id for p in first.predictions} ^ {p.sample_id for p in second.predictions}
    if only:
        return f"{len(only)} questions were answered by one of them alone, such as {min(only)}"
    changed = {entry[0] for entry in set(_asked(first)) ^ set(_asked(second))}
    return f"{len(changed)} questions have another prompt, picture or answer, such as {min(changed, default='-')}"


def _unregistered(answers: Sequence[Answers], openings: Sequence[Opening]) -> list[str]:
    """A note on every run with answers on a sealed test that no register names."""
    registered = {opening.checkpoint_hash for opening in openings}
    sealed = [one for one in answers if one.split == SEALED]
    unknown = {str(one.run.folder) for one in sealed if one.predictions[0].checkpoint_hash not in registered}
    return [f"{run}: has answers on a sealed test, and no register says when it was opened" for run in sorted(unknown)]


def _names(runs: Sequence[EvaluatedRun]) -> str:
    return ", ".join(str(run.folder) for run in runs)
