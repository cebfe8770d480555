"""`task=overoptimisation`: every GRPO run below a folder, by the judge that rewarded it and by the one that is true."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from rich import get_console

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.judging import judge_of
from pathvlm_r1.assembly.logged_runs import LoggedRun, logged_run
from pathvlm_r1.assembly.rescoring_runs import judged_anew
from pathvlm_r1.assembly.rewards import process_term
from pathvlm_r1.config import (
    ConfigError,
    JudgeConfig,
    OveroptimisationConfig,
    ProcessConfig,
    decisive,
    paid_judges,
    require_judge_of_terms,
)
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.evaluation import (
    Answers,
    JudgedAnswer,
    JudgedRun,
    Overoptimisation,
    collect,
    overoptimisation,
    overoptimisation_markdown,
    overoptimisation_png,
    overoptimisation_table,
)
from pathvlm_r1.reward import Completion, FinishReason
from pathvlm_r1.tracking import TrackingError, ensure_writable, read_manifest, say, write_bytes, write_json, write_text

FILES = ("overoptimisation.json", "overoptimisation.md", "overoptimisation.png")


def report_overoptimisation(config: OveroptimisationConfig) -> Overoptimisation:
    """Read the runs, ask the true judge about their completions and answers, and write the three files.

    Raises:
        ConfigError: the judge cannot score the data, or there is no GRPO run that a judge has rewarded.
        TrackingError: runs that cannot be told apart or compared, a log that is not whole, a file not to be written.
    """
    runs = Path(config.runs).expanduser()
    out = runs if config.out is None else Path(config.out).expanduser()
    ensure_writable(out)
    found = overoptimisation(
        _judged_runs(config, runs), true_judge=config.judge.name, seed=config.seed, replicates=config.replicates
    )
    text, figure = overoptimisation_markdown(found), overoptimisation_png(found)
    write_json(out / FILES[0], asdict(found) | {"judge": decisive(config.judge), "reward": asdict(config.reward)})
    write_text(out / FILES[1], text)
    write_bytes(out / FILES[2], figure)
    get_console().print(overoptimisation_table(found))
    say(f"{out}: {', '.join(FILES)}")
    return found


@dataclass(frozen=True)
class _Study:
    """The answers of every run, and of those that a judge has rewarded their trainings."""

    answers: Sequence[Answers]
    logged: Mapping[Path, LoggedRun]
    samples: Mapping[str, Sample]  # of the test split


def _judged_runs(config: OveroptimisationConfig, folder: Path) -> list[JudgedRun]:
    process = config.reward.process
    assert process is not None  # noqa: S101  checked with the configuration
    study = _study(config, folder)
    judged = []
    for answers in study.answers:
        run = study.logged.get(answers.run.folder)
        own = None if run is None else run.config.judge
        judged.append(
            JudgedRun(
                arm=answers.run.arm, seed=answers.run.seed, judge=None if own is None else own.name,
                folder=str(answers.run.folder), answers=_judged_answers(answers, study, process, config.judge, own),
                bins=[] if run is None else judged_anew(run, config.reward, config.judge, bins=config.bins),
            )
        )  # fmt: skip
    return judged


def _study(config: OveroptimisationConfig, folder: Path) -> _Study:
    answers = collect(folder).in_domain_test
    rewarded = [one.run.folder for one in answers if _is_judged(one.run.folder)]
    if not rewarded:
        raise ConfigError(
            f"runs={folder}: no finished run of stage=grpo below it has a process term in its reward and greedy "
            f"answers on test; train some, then python src/eval.py runs={folder}"
        )
    logged = {path: logged_run(path) for path in rewarded}
    dataset = logged[rewarded[0]].config.dataset  # of all: they were asked the same questions
    require_judge_of_terms(config.reward, config.judge, dataset)
    return _Study(answers, logged, {sample.sample_id: sample for sample in load_samples(dataset, "test")})


def _is_judged(path: Path) -> bool:
    manifest = read_manifest(path)
    return manifest.stage == "grpo" and manifest.config["reward"].get("process") is not None


def _judged_answers(
    answers: Answers, study: _Study, process: ProcessConfig, true: JudgeConfig, own: JudgeConfig | None
) -> list[JudgedAnswer]:
    """By the true judge, and by the run's own one unless that costs money."""
    predictions = answers.predictions
    unknown = [p.sample_id for p in predictions if p.sample_id not in study.samples]
    if unknown:
        raise TrackingError(
            f"{answers.run.folder}: {len(unknown)} answered questions are not in the test split that the runs name, "
            f"the first: {unknown[0]}; evaluate the runs on their own dataset"
        )
    completions = [
        Completion(study.samples[p.sample_id], p.completion, FinishReason.STOP, p.completion_tokens)
        for p in predictions
    ]
    is_free = own is not None and not paid_judges(own)
    true_scores = _scores(completions, process, true)
    own_scores = _scores(completions, process, own) if own is not None and is_free else [None] * len(completions)
    return [
        JudgedAnswer(
            sample_id=p.sample_id, image_id=p.image_id, accuracy=float(p.is_correct), true=of_true, judged=of_own
        )
        for p, of_true, of_own in zip(predictions, true_scores, own_scores, strict=True)
    ]


def _scores(completions: Sequence[Completion], process: ProcessConfig, judge: JudgeConfig) -> list[float | None]:
    return [score.value for score in process_term(process, judge_of(judge, Contract())).score_all(completions)]
