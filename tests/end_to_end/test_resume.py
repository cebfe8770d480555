"""Interrupted runs: what they leave and say, and that going on with them ends where no interruption would have."""

import os
import signal

import pytest
from running import (
    LIGHTNING_WARNINGS,
    TINY_GRPO,
    TINY_SFT,
    are_equal,
    exported,
    interrupted_in_batch,
    last_weights,
    metrics,
    resumed,
    reward_brevity,
    runs_below,
    started,
    trained,
)

from pathvlm_r1.config import ConfigError
from pathvlm_r1.stages import GRPOModule, SFTModule
from pathvlm_r1.tracking import RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

STEPS = 4  # of 4 rows over 6 samples, or of 2 prompts over 4: the order is drawn afresh within each run
SFT = ("stage=sft", "model.recipe.sft.max_steps=4")
GRPO = (*TINY_GRPO, "stage.init=base", f"trainer.max_steps={STEPS}", "stage.learning_rate=1e-3")
CASES = {
    "sft": (SFTModule, SFT),
    "sft with dropout": (SFTModule, (*SFT, "adapter=lora", "adapter.dropout=0.5", "stage.learning_rate=1e-2")),
    "grpo": (GRPOModule, GRPO),
    "grpo, two passes": (GRPOModule, (*GRPO, "stage.num_iterations=2")),
    "grpo, rollouts sampled ahead": (GRPOModule, (*GRPO, "rollout.async_judge=true")),
    "grpo with lora, two minibatches": (GRPOModule, (*GRPO, "stage.minibatches=2", "adapter=lora")),
}


@pytest.mark.parametrize("case", CASES)
def test_an_interrupted_run_goes_on_to_the_weights_of_an_uninterrupted_one(case, tmp_path, monkeypatch):
    module, overrides = CASES[case]
    reward_brevity(monkeypatch)
    straight = trained(tmp_path / "straight", *overrides)
    with interrupted_in_batch(module, 1 if module is GRPOModule else 2), pytest.raises(RunInterrupted) as caught:
        trained(tmp_path / "broken", *overrides)
    ((broken, manifest),) = runs_below(tmp_path / "broken")
    assert manifest.status == "interrupted"
    assert 0 < manifest.measured["optimiser_steps"] < STEPS
    assert f"go on with: python src/train.py resume={broken.path}" in str(caught.value)
    assert broken.last_checkpoint.is_file()
    assert not broken.export.exists(), "an unfinished run hands nothing over"

    monkeypatch.chdir(tmp_path)  # its folder is all that a resumed run needs
    assert resumed(broken).path == broken.path
    ended = read_manifest(broken.path)
    assert ended.status == "finished"
    assert ended.measured["optimiser_steps"] == STEPS
    assert ended.seconds > manifest.seconds
    assert are_equal(last_weights(broken), last_weights(straight))
    assert are_equal(exported(broken), exported(straight))
    assert ended.measured.get("validation") == read_manifest(straight.path).measured.get("validation")
    assert [row["step"] for row in metrics(broken)] == [row["step"] for row in metrics(straight)]


def test_another_order_of_the_data_and_other_draws_would_end_elsewhere(tmp_path, monkeypatch):
    """So the law above could fail."""
    reward_brevity(monkeypatch)
    straight = trained(tmp_path, *CASES["grpo"][1])
    other_draws = trained(tmp_path, *CASES["grpo"][1], "seed=1")
    assert not are_equal(last_weights(straight), last_weights(other_draws))


def test_a_run_can_be_interrupted_while_it_is_resumed(tmp_path):
    with interrupted_in_batch(SFTModule, 1), pytest.raises(RunInterrupted):
        trained(tmp_path, *SFT)
    ((run, _),) = runs_below(tmp_path)
    with interrupted_in_batch(SFTModule, 1), pytest.raises(RunInterrupted):
        resumed(run)
    assert read_manifest(run.path).measured["optimiser_steps"] == 2
    assert read_manifest(resumed(run).path).status == "finished"


def test_an_interrupted_parent_ends_the_command_and_says_to_give_it_again(tmp_path):
    with interrupted_in_batch(SFTModule, 1), pytest.raises(RunInterrupted, match="then give this command again"):
        trained(tmp_path, *TINY_GRPO)
    ((parent, manifest),) = runs_below(tmp_path)
    assert (manifest.arm, manifest.status) == ("sft", "interrupted")
    resumed(parent)
    assert read_manifest(trained(tmp_path, *TINY_GRPO).path).parent.run == str(parent.path)


def test_what_cannot_be_resumed_is_refused_with_the_reason(tmp_path):
    finished = trained(tmp_path / "finished", *SFT, "trainer.max_steps=1")
    with pytest.raises(ConfigError, match=f"resume={finished.path}: this run has finished; its weights are in"):
        resumed(finished)
    with interrupted_in_batch(SFTModule, 1), pytest.raises(RunInterrupted):
        trained(tmp_path / "broken", *SFT)
    ((broken, manifest),) = runs_below(tmp_path / "broken")
    changed = broken.manifest.read_text().replace(manifest.data.hash, "0" * 64)
    kept = broken.manifest.read_text()
    broken.manifest.write_text(changed)
    with pytest.raises(ConfigError, match="dataset=phantom has changed since this run began"):
        resumed(broken)
    broken.manifest.write_text(kept)
    broken.last_checkpoint.unlink()
    with pytest.raises(ConfigError, match="no checkpoint was written before the run ended; start it again"):
        resumed(broken)


def test_control_c_ends_the_command_cleanly_with_the_way_to_go_on(tmp_path):
    process = started("train", *TINY_SFT, *SFT, "stage.max_steps=100", "output=runs", cwd=tmp_path)
    for line in process.stdout:
        if line.startswith("sft-phantom-s0 10/100"):  # the first of its ten progress lines
            process.send_signal(signal.SIGINT)
            break
    stdout, stderr = process.communicate()
    ((run, manifest),) = runs_below(tmp_path)
    assert process.returncode == 130
    assert manifest.status == "interrupted"
    assert run.last_checkpoint.is_file()
    assert f"go on with: python src/train.py resume=runs/{run.path.name}" in stderr
    assert "Traceback" not in stdout + stderr


@pytest.mark.slow
@pytest.mark.parametrize("tenth", [20, 30])
def test_after_a_kill_the_last_checkpoint_still_resumes(tenth, tmp_path):
    overrides = (*SFT, "stage.max_steps=200", "stage.validation_every=200", f"output={tmp_path}/runs")
    process = started("train", *TINY_SFT, *overrides, cwd=tmp_path)
    for line in process.stdout:
        if line.startswith(f"sft-phantom-s0 {tenth * 4}/200"):  # between two checkpoints, or in the middle of one
            os.kill(process.pid, signal.SIGKILL)
            break
    process.communicate()
    ((run, manifest),) = runs_below(tmp_path / "runs")
    assert manifest.status == "started", "nobody was there to write another"
    resumed(run)
    straight = trained(tmp_path / "straight", *overrides[:-1])
    assert are_equal(last_weights(run), last_weights(straight))
    assert read_manifest(run.path).status == "finished"
