"""GRPO processes that are really killed go on to the log of one that was not: no completion twice, and none lost."""

import os
import signal
import time

import pytest
from logged_trainings import lines, rescored
from running import TINY, TINY_GRPO, are_equal, command, last_weights, metrics, runs_below, started

from pathvlm_r1.assembly.running import CHECKPOINT_EVERY
from pathvlm_r1.tracking import read_manifest

pytestmark = pytest.mark.slow

STEPS = 2 * CHECKPOINT_EVERY + 10
COMPLETIONS = 8  # of a step: two prompts, four of each
GRPO = (
    *TINY, *TINY_GRPO, "stage.init=base", "stage.log_completions=true", "judge=noisy_40", "stage.learning_rate=1e-3",
    f"trainer.max_steps={STEPS}", f"stage.validation_every={STEPS}", "stage.validation_samples=2", "output=runs",
)  # fmt: skip
KILLS = {  # the steps in whose lines it comes
    "between two checkpoints": [CHECKPOINT_EVERY + 7],
    "while a checkpoint is written": [2 * CHECKPOINT_EVERY],  # or just before or behind: one of the two is whole
    "again after it had gone on": [CHECKPOINT_EVERY + 7, CHECKPOINT_EVERY + 23],
}
PATIENCE_SECONDS = 1200  # for the steps before a kill, on a busy machine


def logged_steps(folder):
    """How many steps are in the log of the one run in a folder."""
    logs = list(folder.glob("runs/*/completions.jsonl"))
    return logs[0].read_bytes().count(b"\n") / COMPLETIONS if logs else 0


def killed(folder, step, *typed):
    """Kill a command once a step is in the log; the run that it leaves."""
    process, end = started("train", *typed, cwd=folder), time.monotonic() + PATIENCE_SECONDS
    while logged_steps(folder) < step:
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < end, f"{logged_steps(folder)} steps are logged, {step} were waited for"
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.communicate()
    ((run, manifest),) = runs_below(folder)
    assert (process.returncode, manifest.status) == (-signal.SIGKILL, "started"), "nobody was there to write another"
    return run


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """The run that nobody killed."""
    folder = tmp_path_factory.mktemp("straight")
    outcome = command("train", *GRPO, cwd=folder)
    assert outcome.status == 0, outcome.text
    ((run, _),) = runs_below(folder)
    return run


@pytest.mark.parametrize("case", KILLS)
def test_a_killed_training_goes_on_to_the_log_and_the_weights_of_one_that_was_not(case, straight, tmp_path):
    first, *later = KILLS[case]
    run = killed(tmp_path, first, *GRPO)
    assert len(run.completions_of(0).read_bytes()) < len(straight.completions_of(0).read_bytes())
    for step in later:
        killed(tmp_path, step, f"resume={run.path}")
    outcome = command("train", f"resume={run.path}", cwd=tmp_path)
    assert outcome.status == 0, outcome.text
    assert read_manifest(run.path).status == "finished"
    assert run.completions_of(0).read_bytes() == straight.completions_of(0).read_bytes()
    assert [row["step"] for row in lines(run)] == [step for step in range(1, STEPS + 1) for _ in range(COMPLETIONS)]
    assert are_equal(last_weights(run), last_weights(straight))
    assert [row["step"] for row in metrics(run)] == [row["step"] for row in metrics(straight)]
    outcome = rescored(run, "verify=true")
    assert outcome.status == 0, outcome.text
    assert f"all {STEPS * COMPLETIONS} completions in {STEPS} rollouts" in outcome.stdout
