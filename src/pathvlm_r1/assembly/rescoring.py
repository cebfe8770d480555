"""`task=rescore`: rewards of completions that are there, here of those that were made elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.assembly.judging import require_judge
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.rescoring_runs import rescore_run
from pathvlm_r1.assembly.rewards import missing_of, reward_terms
from pathvlm_r1.config import ConfigError, RescoreConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.reward import Completion, FinishReason, RewardTable, total_reward
from pathvlm_r1.tracking import write_atomically

_SHOWN_FAULTS = 5
_ADDED = ("total", "terms")


@dataclass(frozen=True)
class _Line:
    number: int
    values: Mapping[str, Any]  # as they were read


def rescore(config: RescoreConfig) -> None:
    """Do with a run, or with completions from elsewhere, what is asked; errors as those have them."""
    if config.run is not None:
        rescore_run(config, Path(config.run).expanduser())
    if config.completions is not None:
        reward_file(config, Path(config.completions).expanduser())


def reward_file(config: RescoreConfig, path: Path) -> None:
    """Score every completion by itself, and write its line with `total` and `terms` added, in the order of the file.

    A term that has no score is null; a total is the sum of the others, and null where no term has one. Terms are raw,
    and the total has the weights of a run's first step; within groups of one a normalised term is 0.

    Raises:
        ConfigError: `completions` or `out` cannot be used, or the reward needs what the lines lack.
        DatasetError: lines that are no completions of the split; each is named.
    """
    if config.reward.process is not None:
        require_judge(config.judge)
    out = out_file(config.out, example="rescored.jsonl", sources=[path])
    lines = _read(path)
    completions = _completions(config, lines, path)
    groups = [[completion] for completion in completions]
    terms = reward_terms(config.reward, Contract(), config.judge)
    scored = _scored(lines, total_reward(groups, terms, missing_of(config.reward)))
    if out is None:
        sys.stdout.write(scored)
    else:
        write_atomically(out, lambda temporary: temporary.write_text(scored, encoding="utf-8"))


def _read(path: Path) -> list[_Line]:
    """The lines of the file; an empty one is none."""
    if not path.is_file():
        raise ConfigError(f"completions={path}: no such file; name one of JSON Lines with sample_id and completion")
    faults, lines = [], []
    for number, text in enumerate(path.read_bytes().splitlines(), start=1):
        if not text.strip():
            continue
        values, fault = _values(text)
        if fault:
            faults.append(f"{path}:{number}: {fault}")
        lines.append(_Line(number, values))
    _raise_all(faults, "mend them, or leave them out")
    if not lines:
        raise DatasetError(f"{path}: holds no completions")
    return lines


def _values(text: bytes) -> tuple[dict[str, Any], str]:
    """What a line holds, and what is wrong with it if anything is."""
    try:
        values = json.loads(text)
    except ValueError as error:  # also of bytes that are no UTF-8
        return {}, f"not JSON ({error})"
    if not isinstance(values, dict):
        return {}, f"must be an object with sample_id and completion, not {type(values).__name__}"
    for key in ("sample_id", "completion"):
        if not isinstance(values.get(key), str):
            return {}, f"{key} must be a text, not {json.dumps(values.get(key))[:40]}"
    taken = [key for key in _ADDED if key in values]
    return values, f"has {' and '.join(taken)} already, which rescoring adds" if taken else ""


def _completions(config: RescoreConfig, lines: Sequence[_Line], path: Path) -> list[Completion]:
    samples = {sample.sample_id: sample for sample in load_samples(config.dataset, config.split)}
    unknown = [line for line in lines if line.values["sample_id"] not in samples]
    where = f"split={config.split} of dataset={config.dataset.name}"
    _raise_all(
        [f"{path}:{line.number}: sample_id {line.values['sample_id']!r} is not in {where}" for line in unknown],
        "choose the split and dataset that the completions answer",
    )
    return [_completion(config, samples[line.values["sample_id"]], line, path) for line in lines]


def _completion(config: RescoreConfig, sample: Sample, line: _Line, path: Path) -> Completion:
    """With its tokens where the line has their number; nothing else can count them as the policy did."""
    tokens = line.values.get("token_count")
    is_number = isinstance(tokens, int) and not isinstance(tokens, bool) and tokens >= 0
    if tokens is not None and not is_number:
        raise DatasetError(f"{path}:{line.number}: token_count must be a whole number, not {json.dumps(tokens)[:40]}")
    weighs_length = config.reward.overlong is not None or config.reward.length is not None
    if tokens is None and weighs_length:
        raise DatasetError(
            f"{path}:{line.number}: reward={config.reward.name} weighs the length of a completion in tokens; add "
            "token_count to every line, or take a reward without it: reward=dual"
        )
    return Completion(sample, line.values["completion"], FinishReason.STOP, tokens or 0)


def _scored(lines: Sequence[_Line], rewards: RewardTable) -> str:
    """The lines with what each term and their sum give."""
    scored = []
    for row, line in enumerate(lines):
        total = float(rewards.total[row, 0]) if rewards.counted[row, 0] else None
        terms = {name: scores[row][0].value for name, scores in rewards.scores.items()}
        scored.append(json.dumps({**line.values, "total": total, "terms": terms}, ensure_ascii=False) + "\n")
    return "".join(scored)


def _raise_all(faults: Sequence[str], remedy: str) -> None:
    """One error for all faults of a kind, which names the first of them."""
    if faults:
        more = len(faults) - _SHOWN_FAULTS
        rest = [f"and {more} more"] if more > 0 else []
        raise DatasetError("\n  ".join([*faults[:_SHOWN_FAULTS], *rest, f"{len(faults)} lines in all; {remedy}"]))
