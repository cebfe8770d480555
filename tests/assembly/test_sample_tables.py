import json

import pytest
from learnt_rollouts import learnt
from running import Brevity

from pathvlm_r1.assembly.sample_tables import SHOWN_COMPLETIONS, SampleTables
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.reward import Completion, FinishReason, Missing, WeightedTerm, total_reward
from pathvlm_r1.tracking import build_logger


def shown(folder, every, steps):
    """The lines that rollouts which end at these optimiser steps leave in the file of completions."""
    samples = PhantomSource("phantom", "histology", 0, 56, {"complete": 1.0}).samples("rl", SHOWN_COMPLETIONS + 1)
    groups = [[Completion(sample, text, FinishReason.STOP, 1) for text in ("first", "second")] for sample in samples]
    rewards = total_reward(groups, [WeightedTerm(Brevity(), 1.0)], Missing("group_mean"))
    show = SampleTables(build_logger("csv", folder), every)
    for step in steps:
        show(learnt(groups, rewards, step=step))
    path = folder / "samples.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


@pytest.mark.parametrize(
    ("every", "steps", "expected"),
    [
        (3, range(1, 8), [1, 3, 6]),
        (50, range(4, 161, 4), [4, 52, 100, 152]),  # four optimiser steps a rollout: 50 and 150 are never met
        (2, (3, 9, 10), [3, 9, 10]),
        (0, range(1, 8), []),
    ],
)
def test_the_first_rollout_and_all_that_cross_a_multiple_are_shown(every, steps, expected, tmp_path):
    assert sorted({line["step"] for line in shown(tmp_path, every, steps)}) == expected


def test_a_table_has_the_first_completion_of_the_first_groups_with_its_own_rewards(tmp_path):
    lines = shown(tmp_path, 1, [1])
    assert len(lines) == SHOWN_COMPLETIONS
    assert {line["completion"] for line in lines} == {"first"}
    assert all(line["rewards"] == {"accuracy": pytest.approx(1 / 6)} for line in lines)
    assert len({line["question"] for line in lines}) > 1
