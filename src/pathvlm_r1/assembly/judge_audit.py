"""`task=judge_audit`: a judge asked about completions whose events are known, several times, and held against them."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TypeVar

from pathvlm_r1.assembly.completion_files import Line, raise_faults, read_lines, samples_of
from pathvlm_r1.assembly.judging import is_dry, judge_of, require_judge, show_plan_for
from pathvlm_r1.assembly.logged_runs import logged_run
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.rewards import process_term
from pathvlm_r1.config import JudgeAuditConfig, ProcessConfig, decisive
from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import shuffled_index
from pathvlm_r1.evaluation import JudgeAudit, ProcessRule, audit_sentences, audit_table, measure_judge
from pathvlm_r1.reward import Completion, FinishReason, OracleJudge, RubricEvents, Score
from pathvlm_r1.tracking import RunFolder, progress_over, say, write_json

Entry = TypeVar("Entry")


@dataclass(frozen=True)
class _Rated:
    """Completions and their true events."""

    completions: Sequence[Completion]
    events: Sequence[RubricEvents]


def audit_judge(config: JudgeAuditConfig) -> JudgeAudit | None:
    """Ask, compare, show the table and write what `out` asks for; with `judge.dry_run=true` only say what it costs.

    Raises:
        ConfigError: the judge, the run, the file or `out` cannot be used.
        DatasetError: lines of the file that are no completions, or no ratings; each is named.
        JudgeError: the judge cannot go on.
        TrackingError: the run's log is not whole, or `out` cannot be written.
    """
    assert config.reward.process is not None  # noqa: S101  checked with the configuration
    sources = [Path(config.completions).expanduser()] if config.completions else RunFolder(_run(config)).completions
    out = out_file(config.out, example="audit.json", sources=sources)
    if not is_dry(config.judge):
        require_judge(config.judge)
    rated = _rated_in_file(config, sources[0]) if config.completions else _rated_in_run(config)
    if is_dry(config.judge):
        show_plan_for(config.judge, rated.completions, times=config.repeats)
        return None
    audit = _audit(config, config.reward.process, rated)
    say(f"{_source(config)}, judge={config.judge.name} against={config.against}: {_sized(audit)}", audit_table(audit))
    say(*audit_sentences(audit))
    if out is not None:
        write_json(out, as_json(config, audit))
    return audit


def as_json(config: JudgeAuditConfig, audit: JudgeAudit) -> dict[str, object]:
    """The numbers, and what they were measured on."""
    return asdict(audit) | {
        "source": _source(config),
        "judge": decisive(config.judge),
        "against": config.against,
        "reward": asdict(config.reward),
        "seed": config.seed,
        "replicates": config.replicates,
    }


def _audit(config: JudgeAuditConfig, process: ProcessConfig, rated: _Rated) -> JudgeAudit:
    began, repeats = time.perf_counter(), list[list[Score]]()
    for repeat in progress_over(range(config.repeats), f"judge={config.judge.name}", config.repeats):
        judge = judge_of(config.judge, Contract(), repeat=repeat)
        repeats.append(process_term(process, judge).score_all(rated.completions))
    return measure_judge(
        repeats, rated.events, [completion.sample.image_id for completion in rated.completions],
        rule=ProcessRule(process.coefficient, None if process.events is None else vars(process.events)),
        seconds=time.perf_counter() - began, seed=config.seed, replicates=config.replicates,
    )  # fmt: skip


def _rated_in_run(config: JudgeAuditConfig) -> _Rated:
    run = logged_run(_run(config))
    config.require_judges(run.config.dataset)
    completions = [run.completion(logged) for logged in _drawn(config, run.completions)]
    return _Rated(completions, _by_oracle(completions))


def _rated_in_file(config: JudgeAuditConfig, path: Path) -> _Rated:
    lines = read_lines(path)
    samples = samples_of(lines, path, config.dataset, config.split)
    ratings = _ratings(lines, path) if config.against == "ratings" else None
    chosen = _drawn(config, range(len(lines)))
    completions = [Completion(samples[at], lines[at].values["completion"], FinishReason.STOP, 0) for at in chosen]
    return _Rated(completions, _by_oracle(completions) if ratings is None else [ratings[at] for at in chosen])


def _ratings(lines: Sequence[Line], path: Path) -> list[RubricEvents]:
    faults, found = [], []
    for line in lines:
        events = line.values.get("events")
        try:
            if not isinstance(events, dict):
                raise ValueError(f"events must be an object of six events, not {json.dumps(events)[:40]}")
            found.append(RubricEvents.from_dict(events))
        except ValueError as error:
            faults.append(f"{path}:{line.number}: {error}")
    raise_faults(faults, "rate them, leave them out, or hold the judge against=oracle")
    return found


def _by_oracle(completions: Sequence[Completion]) -> list[RubricEvents]:
    verdicts = OracleJudge(Contract())(completions)
    return [verdict.events for verdict in verdicts if verdict.events is not None]  # it has one on everything


def _drawn(config: JudgeAuditConfig, entries: Sequence[Entry]) -> list[Entry]:
    """`n` of them without replacement, in the order in which they stand; all where there are fewer."""
    places = range(min(config.n, len(entries)))
    return [entries[at] for at in sorted(shuffled_index(len(entries), place, seed=config.seed) for place in places)]


def _run(config: JudgeAuditConfig) -> Path:
    return Path(str(config.run)).expanduser()


def _source(config: JudgeAuditConfig) -> str:
    return str(config.completions if config.run is None else config.run)


def _sized(audit: JudgeAudit) -> str:
    return f"{audit.completions} completions on {audit.pictures} pictures, judged {audit.repeats} times"
