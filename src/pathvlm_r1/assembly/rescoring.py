"""`task=rescore`: rewards of completions that are there, here of those that were made elsewhere."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from pathlib import Path

from pathvlm_r1.assembly.completion_files import Line, read_lines, samples_of
from pathvlm_r1.assembly.judging import is_dry, require_judge, show_plan_for
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.rescoring_runs import rescore_run
from pathvlm_r1.assembly.rewards import missing_of, reward_terms
from pathvlm_r1.config import RescoreConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.reward import Completion, FinishReason, RewardTable, total_reward
from pathvlm_r1.tracking import write_text

_ADDED = ("total", "terms")


def rescore(config: RescoreConfig) -> None:
    """Do with a run, or with completions from elsewhere, what is asked; errors as those have them."""
    if config.run is not None:
        rescore_run(config, Path(config.run).expanduser())
    if config.completions is not None:
        reward_file(config, Path(config.completions).expanduser())


def reward_file(config: RescoreConfig, path: Path) -> None:
    """Score every completion by itself, and write its line with `total` and `terms` added, in the order of the file.

    A term that has no score is null; a total is the sum of the others, and null where no term has one. Terms are raw,
    and the total has the weights of a run's first step; within groups of one a normalised term is 0. With
    `judge.dry_run=true` it is only said what the judge would cost.

    Raises:
        ConfigError: `completions` or `out` cannot be used, or the reward needs what the lines lack.
        DatasetError: lines that are no completions of the split; each is named.
    """
    if config.reward.process is not None and not is_dry(config.judge):
        require_judge(config.judge)
    out = out_file(config.out, example="rescored.jsonl", sources=[path])
    lines = read_lines(path, reserved=_ADDED)
    samples = samples_of(lines, path, config.dataset, config.split)
    groups = [[_completion(config, sample, line, path)] for sample, line in zip(samples, lines, strict=True)]
    if is_dry(config.judge):
        show_plan_for(config.judge, [completion for (completion,) in groups])
        return
    terms = reward_terms(config.reward, Contract(), config.judge)
    scored = _scored(lines, total_reward(groups, terms, missing_of(config.reward)))
    if out is None:
        sys.stdout.write(scored)
    else:
        write_text(out, scored)


def _completion(config: RescoreConfig, sample: Sample, line: Line, path: Path) -> Completion:
    """With its tokens and its end where the line has them: nothing else can tell them as the policy did."""
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
    reason = line.values.get("finish_reason", FinishReason.STOP)
    if reason not in list(FinishReason):
        known = " or ".join(FinishReason)
        raise DatasetError(f"{path}:{line.number}: finish_reason must be {known}, not {json.dumps(reason)[:40]}")
    return Completion(sample, line.values["completion"], FinishReason(reason), tokens or 0)


def _scored(lines: Sequence[Line], rewards: RewardTable) -> str:
    """The lines with what each term and their sum give."""
    scored = []
    for row, line in enumerate(lines):
        total = float(rewards.total[row, 0]) if rewards.counted[row, 0] else None
        terms = {name: scores[row][0].value for name, scores in rewards.scores.items()}
        scored.append(json.dumps({**line.values, "total": total, "terms": terms}, ensure_ascii=False) + "\n")
    return "".join(scored)
