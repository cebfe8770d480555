"""Where there is nothing to learn: shuffled rewards run, and equal rewards move no weight."""

from dataclasses import dataclass

import pytest
from running import LIGHTNING_WARNINGS, TINY_GRPO, are_equal, exported, metrics, reward_brevity, trained

from pathvlm_r1.assembly import training
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.reward import Completion, Score, WeightedTerm
from pathvlm_r1.tracking import RunFolder, read_manifest

pytestmark = [*LIGHTNING_WARNINGS, pytest.mark.medium]

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
    monkeypatch.setattr(training, "reward_terms", lambda *_: [WeightedTerm(Equal(), 1.0)])
    run = trained(tmp_path, *FROM_BASE, f"objective={objective}", "stage.learning_rate=1e-2")
    assert are_equal(exported(run), base)
    for row in metrics(run):
        assert float(row["grpo/gradient_norm"]) == 0.0
        assert float(row["grpo/groups/no_signal"]) == 1.0


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
