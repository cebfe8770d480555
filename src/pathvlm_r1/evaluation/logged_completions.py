"""The log of a GRPO run's completions: one line of JSON for each, from which rewards and advantages follow again.

A file holds the share of one process: `completions.jsonl` that of the first, `completions.1.jsonl` and so on those of
others, in the order of rollouts, groups and completions. About 1 kB a line.

    rollout, steps_before, step     which one, and the run's optimiser steps before and after those on it, from 0
    process, processes              whose share, of how many
    group, index                    place in that share
    sample_id, completion, finish_reason, token_count
    terms.<name>.value, reason      unweighted; null: the term does not apply, or the judge has no verdict
    terms.<name>.events, unfound    what the judge decided; of a panel also its rule and its members' events
    terms.<name>.judged_by, judge_reason, paid
                                    provenance; the first two where they differ from those of the line before
    total                           as objective and reward have it, before what follows
    divergence                      from the reference in nats, where beta times that was taken off the total
    dealt_from                      negative control: place within the share (group by group) whose total it was dealt
    advantage, counted              of the loss, after all of this; false: the completion left the loss
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from pathvlm_r1.reward import FinishReason, Provenance, RubricEvents, Rule, Score, Verdict
from pathvlm_r1.tracking import TrackingError

_NEUTRAL = Provenance(judge="")
_PAID = ("is_cached", "input_tokens", "output_tokens", "cost_usd")  # of a provenance, what each answer has of its own
_REPEATED = ("judged_by", "judge_reason")


@dataclass(frozen=True, kw_only=True)
class LoggedCompletion:
    """One completion, what it was rewarded, and what the loss made of that."""

    rollout: int
    steps_before: int
    step: int
    process: int
    processes: int
    group: int
    index: int
    sample_id: str
    completion: str
    finish_reason: FinishReason
    token_count: int
    terms: Mapping[str, Score]
    total: float
    divergence: float | None
    dealt_from: int | None
    advantage: float
    counted: bool


def log_lines(completions: Iterable[LoggedCompletion]) -> Iterator[str]:
    """The lines of one process's share of one rollout; what repeats the line before is left out within these."""
    said: dict[str, dict[str, object]] = {}
    for logged in completions:
        row: dict[str, Any] = {name: getattr(logged, name) for name in LoggedCompletion.__dataclass_fields__}
        row["terms"] = {name: _written(score, said.setdefault(name, {})) for name, score in logged.terms.items()}
        kept = {name: value for name, value in row.items() if value is not None}
        yield json.dumps(kept, allow_nan=False) + "\n"  # in ASCII: a server's words may be no valid Unicode


def read_log(path: Path) -> list[LoggedCompletion]:
    """The completions of one file, in its order.

    Raises:
        TrackingError: it cannot be read, or a line is none of `log_lines`.
    """
    found, said = [], dict[str, dict[str, object]]()
    rollout = None
    for number, line in enumerate(_lines(path), start=1):
        try:
            row = json.loads(line)
            said = said if row["rollout"] == rollout else {}
            rollout = row["rollout"]
            found.append(_read(row, said))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            reason = f"{type(error).__name__}: {error}"
            raise TrackingError(f"{path}:{number}: not a line of a log of completions ({reason})") from error
    return found


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise TrackingError(f"{path} cannot be read: {error}") from error


def _read(row: dict[str, Any], said: dict[str, dict[str, object]]) -> LoggedCompletion:
    terms = {name: _score(term, said.setdefault(name, {})) for name, term in row.pop("terms").items()}
    reason = FinishReason(row.pop("finish_reason"))
    empty = {"divergence": None, "dealt_from": None}
    return LoggedCompletion(**(empty | row), terms=terms, finish_reason=reason)


def _written(score: Score, said: dict[str, object]) -> dict[str, object]:
    """A score; `said` is what was said last of the verdicts' provenance, and is brought up to date."""
    row: dict[str, object] = {"value": score.value, "reason": score.reason}
    verdict = score.verdict
    if verdict is None:
        return row
    row["events"] = None if verdict.events is None else verdict.events.to_dict()
    if verdict.unfound:
        row["unfound"] = list(verdict.unfound)
    if verdict.members:
        row["rule"] = verdict.rule
        row["members"] = {name: one.events and one.events.to_dict() for name, one in verdict.members.items()}
    now = {"judged_by": _judged_by(verdict), "judge_reason": verdict.reason}
    row |= {name: value for name, value in now.items() if said.get(name) != value}
    said.update(now)
    paid = {name: getattr(verdict.provenance, name) for name in _PAID}
    if any(paid.values()):
        row["paid"] = paid
    return row


def _judged_by(verdict: Verdict) -> dict[str, Any]:
    """Who decided, under which versions; without what is as in no other answer."""
    constant = asdict(replace(verdict.provenance, **{name: getattr(_NEUTRAL, name) for name in _PAID}))
    stated = {name: value for name, value in constant.items() if name not in _PAID and value is not None}
    if not verdict.members:
        return stated
    return stated | {"members": {name: _judged_by(member) for name, member in verdict.members.items()}}


def _score(row: dict[str, Any], said: dict[str, object]) -> Score:
    value = None if row["value"] is None else float(row["value"])
    if "events" not in row:
        return Score(value, row["reason"])
    said.update({name: row[name] for name in _REPEATED if name in row})
    judged_by: Any = said["judged_by"]
    return Score(value, row["reason"], _verdict(row, judged_by, str(said["judge_reason"])))


def _verdict(row: Mapping[str, Any], judged_by: Mapping[str, Any], reason: str) -> Verdict:
    votes, by = row.get("members", {}), judged_by.get("members", {})
    constant = {name: value for name, value in judged_by.items() if name != "members"}
    return Verdict(
        _events(row["events"]), reason, Provenance(**constant, **row.get("paid", {})),
        unfound=tuple(row.get("unfound", ())), rule=Rule(row["rule"]) if "rule" in row else None,
        members={name: Verdict(_events(vote), "as logged", Provenance(**by[name])) for name, vote in votes.items()},
    )  # fmt: skip


def _events(stored: Mapping[str, object] | None) -> RubricEvents | None:
    return None if stored is None else RubricEvents.from_dict(stored)


@dataclass(frozen=True)
class LoggedRollout:
    """A rollout by the shares of its processes, each in groups."""

    index: int
    shares: tuple[tuple[tuple[LoggedCompletion, ...], ...], ...]  # process -> group -> index

    @property
    def completions(self) -> list[LoggedCompletion]:
        """All of it, process by process and group by group."""
        return [completion for share in self.shares for group in share for completion in group]

    @property
    def steps_before(self) -> int:
        return self.shares[0][0][0].steps_before

    @property
    def step(self) -> int:
        return self.shares[0][0][0].step


def read_rollouts(paths: Sequence[Path]) -> list[LoggedRollout]:
    """The rollouts of a run from the files of its processes, in order.

    Raises:
        TrackingError: as `read_log`, or lines are missing or out of place.
    """
    by_rollout: dict[int, list[LoggedCompletion]] = {}
    for path in paths:
        for logged in read_log(path):
            by_rollout.setdefault(logged.rollout, []).append(logged)
    if not by_rollout:
        raise TrackingError(f"{', '.join(map(str, paths))}: holds no completions")
    missing = sorted(set(range(max(by_rollout) + 1)) - by_rollout.keys())
    if missing:
        raise TrackingError(f"{paths[0]}: rollout {missing[0]} is missing, one of {len(missing)}; restore the file")
    return [_rollout(index, by_rollout[index], paths[0]) for index in range(len(by_rollout))]


def _rollout(index: int, completions: Sequence[LoggedCompletion], path: Path) -> LoggedRollout:
    """One rollout, whose lines are all there and once."""
    placed = sorted(completions, key=_place)
    processes, groups, size = placed[0].processes, placed[-1].group + 1, placed[-1].index + 1
    if [_place(logged) for logged in placed] != list(product(range(processes), range(groups), range(size))):
        raise TrackingError(
            f"{path}: rollout {index} is not whole: of {processes} processes with {groups} groups of {size} "
            f"completions each, lines are missing or twice there ({len(placed)} in all); restore completions*.jsonl"
        )
    grouped = [tuple(placed[start : start + size]) for start in range(0, len(placed), size)]
    return LoggedRollout(index, tuple(tuple(grouped[at : at + groups]) for at in range(0, len(grouped), groups)))


def _place(logged: LoggedCompletion) -> tuple[int, int, int]:
    return logged.process, logged.group, logged.index
