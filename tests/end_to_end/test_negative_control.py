"""Where there is nothing to learn: shuffled rewards run, equal rewards move no weight, and the user is told."""

import logging
from dataclasses import dataclass

import pytest
import torch
from running import (
    LIGHTNING_WARNINGS,
    TINY_GRPO,
    are_equal,
    exported,
    interrupted_in_batch,
    metrics,
    resumed,
    reward_alone,
    reward_brevity,
    runs_below,
    trained,
)

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.reward import Completion, Score
from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.tracking import RunFolder, RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

FROM_BASE = (*TINY_GRPO, "stage.init=base", "stage.weight_decay=0", "stage.beta=0")


@dataclass(frozen=True)
class Equal:
    """The same reward for every completion; 0.7 has no exact mean in binary."""

    name: str = "accuracy"

    def __call__(self, completion: Completion) -> Score:
        del completion
        return Score(value=0.7, reason="equal")


@pytest.fixture
def base(tmp_path):
    """The weights that a run from the base begins with."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "export").symlink_to(EMBEDDED_FOLDER)
    return {name: tensor.float() for name, tensor in exported(RunFolder(tmp_path / "base")).items()}


@pytest.mark.parametrize("objective", ["grpo", "dr_grpo", "dapo"])
def test_equal_rewards_leave_every_weight_bit_equal(objective, base, tmp_path, monkeypatch):
    reward_alone(monkeypatch, Equal())
    run = trained(tmp_path, *FROM_BASE, f"objective={objective}", "stage.learning_rate=1e-2")
    assert are_equal(exported(run), base)
    for row in metrics(run):
        assert float(row["grpo/gradient_norm"]) == 0.0
        assert float(row["grpo/groups/no_signal"]) == 1.0


def test_steps_that_can_teach_nothing_are_warned_of_and_counted_over_an_interruption_too(tmp_path, monkeypatch, caplog):
    reward_alone(monkeypatch, Equal())
    with caplog.at_level(logging.INFO, "pathvlm_r1.stages.signal_callback"):
        with interrupted_in_batch(GRPOModule, 1), pytest.raises(RunInterrupted):
            trained(tmp_path, *FROM_BASE, "trainer.max_steps=4", "stage.signal_warning_steps=2")
        ((run, _),) = runs_below(tmp_path)
        resumed(run)
    rows = metrics(run)
    assert [float(row["grpo/signal/silent_steps"]) for row in rows] == [1, 2, 3, 4]
    assert [float(row["grpo/signal/warnings"]) for row in rows] == [0, 1, 1, 2]
    said = [(r.levelname, r.getMessage()) for r in caplog.records if r.name == "pathvlm_r1.stages.signal_callback"]
    assert [level for level, text in said if "taught nothing" in text] == ["WARNING", "WARNING"]
    assert ["INFO" for _, text in said if text.startswith("first 2 steps: groups all wrong")] == ["INFO"]
    assert torch.load(run.last_checkpoint, weights_only=True)["callbacks"]["SignalCallback"]["seen"] == 4


def test_completions_that_are_cut_are_warned_of_at_the_first_step(tmp_path, caplog):
    trained(tmp_path, *FROM_BASE, "trainer.max_steps=1", "stage.cap_warning_share=0", "stage.temperature=5")
    ((text, level),) = [(r.getMessage(), r.levelname) for r in caplog.records if "were cut" in r.getMessage()]
    assert level == "WARNING"
    assert text.startswith("step 1: ")


def test_unequal_rewards_do_move_weights(base, tmp_path, monkeypatch):
    reward_brevity(monkeypatch)
    run = trained(tmp_path, *FROM_BASE, "stage.learning_rate=1e-2")
    assert not are_equal(exported(run), base)


def test_shuffled_rewards_run_and_are_recorded_as_such(tmp_path, monkeypatch):
    reward_brevity(monkeypatch)
    shuffled = trained(tmp_path, *FROM_BASE, "stage.shuffle_rewards=true")
    straight = trained(tmp_path, *FROM_BASE)
    assert read_manifest(shuffled.path).config["stage"]["shuffle_rewards"] is True
    first, unshuffled = metrics(shuffled)[0], metrics(straight)[0]
    assert first["grpo/reward/total"] == unshuffled["grpo/reward/total"], "the same completions, the same rewards"
    assert not are_equal(exported(shuffled), exported(straight)), "dealt out otherwise"
