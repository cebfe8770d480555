"""`task=rescore run=…`: a run's completions under another reward, verified, or judged anew."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

import numpy as np

from pathvlm_r1.assembly.judging import is_dry, judge_of, require_judge, show_plan_for
from pathvlm_r1.assembly.logged_runs import LoggedRun, Rewarded, logged_run, rewarded
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.rewards import process_term
from pathvlm_r1.assembly.verifying import verify_rewards
from pathvlm_r1.config import JudgeConfig, RescoreConfig, RewardConfig, decisive, require_judge_of_terms
from pathvlm_r1.contract import Contract
from pathvlm_r1.evaluation import Difference, JudgedBin, difference, difference_table, judged_bins, judged_table
from pathvlm_r1.reward import RecordedJudge, score_all
from pathvlm_r1.tracking import RunFolder, progress_over, say, write_json, write_text


def rescore_run(config: RescoreConfig, path: Path) -> None:
    """Do with the log of the run what is asked: difference of rewards, verification, or the curves of two judges.

    Raises:
        ConfigError: the run, the reward, the judge or `out` cannot be used.
        JudgeError: the asked judge cannot go on.
        TrackingError: the log is not whole, or not what the run's configuration gives.
    """
    out = out_file(config.out, example="rescored.jsonl", sources=RunFolder(path).completions)
    if config.ask and not is_dry(config.judge):
        require_judge(config.judge)
    run = logged_run(path)
    if config.verify:
        is_finished = run.manifest.status == "finished"
        steps = int(run.manifest.measured["optimiser_steps"]) if is_finished else None
        say(f"{path}: {verify_rewards(run, steps=steps)}")
    elif config.ask and is_dry(config.judge):
        show_plan_for(config.judge, [run.completion(logged) for logged in run.completions])
    elif config.ask:
        _judge_anew(config, run, out)
    else:
        _reward_anew(config, run, out)


def _reward_anew(config: RescoreConfig, run: LoggedRun, out: Path | None) -> None:
    found = list(rewarded(run, config.reward))
    label = f"{run.folder.path}, reward={run.config.reward.name}, under reward={config.reward.name}"
    counted = f"{len(run.completions)} completions in {sum(len(one.total) for one in found)} groups"
    say(f"{label}: {counted}", difference_table(reward_differences(run, found)))
    if out is not None:
        write_text(out, "".join(_lines(found)))


def reward_differences(run: LoggedRun, found: list[Rewarded]) -> list[Difference]:
    """Of every term that either reward has, the total and the advantage."""
    kept, size = run.completions, found[0].total.shape[-1]
    names = list(dict.fromkeys([*found[0].terms, *kept[0].terms]))
    rows = []
    for name in names:
        logged, given = None, None
        if name in kept[0].terms:
            values = [logged_one.terms[name].value for logged_one in kept]
            logged = np.array([math.nan if value is None else value for value in values]).reshape(-1, size)
        if name in found[0].terms:
            given = np.concatenate([one.terms[name].numpy() for one in found])
        rows.append(difference(name, logged, given))
    totals = np.array([logged_one.total for logged_one in kept]).reshape(-1, size)
    advantages = np.array([logged_one.advantage for logged_one in kept]).reshape(-1, size)
    return [
        *rows,
        difference("total", totals, np.concatenate([one.total.numpy() for one in found])),
        difference("advantage", advantages, np.concatenate([one.advantages.numpy() for one in found])),
    ]


def _lines(found: list[Rewarded]) -> Iterator[str]:
    """JSON of every completion, its place and its numbers: computed again, and as logged."""
    for one in found:
        for place, logged in enumerate(one.rollout.completions):
            terms = {name: _known(float(values.flatten()[place])) for name, values in one.terms.items()}
            row = {
                "rollout": logged.rollout, "step": logged.step, "process": logged.process, "group": logged.group,
                "index": logged.index, "sample_id": logged.sample_id, "terms": terms,
                "total": float(one.total.flatten()[place]), "advantage": float(one.advantages.flatten()[place]),
                "logged": {
                    "terms": {name: score.value for name, score in logged.terms.items()},
                    "total": logged.total, "advantage": logged.advantage,
                },
            }  # fmt: skip
            yield json.dumps(row) + "\n"


def _judge_anew(config: RescoreConfig, run: LoggedRun, out: Path | None) -> None:
    bins = judged_anew(run, config.reward, config.judge, bins=config.bins)
    label = f"{run.folder.path}, judge={run.config.judge.name}, asked: judge={config.judge.name}"
    say(f"{label}: {len(run.completions)} completions", judged_table(bins))
    if out is not None:
        found = {
            "run": str(run.folder.path), "logged_judge": decisive(run.config.judge),
            "asked_judge": decisive(config.judge), "reward": asdict(config.reward),
            "bins": [asdict(one) for one in bins],
        }  # fmt: skip
        write_json(out, found)


def judged_anew(run: LoggedRun, reward: RewardConfig, judge: JudgeConfig, *, bins: int) -> list[JudgedBin]:
    """The process scores of logged and asked verdicts, both at the settings of one reward, over the training.

    Args:
        run: with its log.
        reward: with a process term, for its settings.
        judge: that is asked.
        bins: of steps, at most.

    Raises:
        ConfigError: the judge cannot score this dataset.
        JudgeError: it cannot go on.
    """
    require_judge_of_terms(reward, judge, run.config.dataset)
    assert reward.process is not None  # noqa: S101  who asks has seen to it
    contract = Contract()
    logged_term = process_term(reward.process, RecordedJudge())
    asked_term = process_term(reward.process, judge_of(judge, contract))
    steps, right, logged, asked = [], [], [], []
    for rollout in progress_over(run.rollouts, f"judge={judge.name}", len(run.rollouts)):
        completions = [run.completion(one) for one in rollout.completions]
        steps += [rollout.step] * len(completions)
        right += [contract.parse(c.text, c.sample.options).answer == c.sample.answer for c in completions]
        logged += [score.value for score in score_all(logged_term, completions)]
        asked += [score.value for score in score_all(asked_term, completions)]
    numbers = (np.array([math.nan if value is None else value for value in of]) for of in (right, logged, asked))
    return judged_bins(steps, *numbers, bins=bins)


def _known(value: float) -> float | None:
    return None if math.isnan(value) else value
