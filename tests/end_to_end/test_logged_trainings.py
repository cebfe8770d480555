"""What GRPO runs log: each completion once, over interruptions and kills too, or nothing."""

import pytest
from logged_trainings import GRPO, lines, rescored
from running import LIGHTNING_WARNINGS, interrupted_in_batch, resumed, runs_below, trained

from pathvlm_r1.assembly import running
from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.tracking import RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

CUT = "model.max_completion_tokens=8"  # as many as the base needs for some of its answers


def test_completions_that_were_cut_are_logged_as_out_of_the_loss(tmp_path):
    rows = lines(trained(tmp_path, *GRPO, "stage.filter_truncated=true", "reward=accuracy_format", CUT))
    assert {row["counted"] for row in rows} == {True, False}
    assert all(row["counted"] == (row["finish_reason"] == "stop") for row in rows)


def test_without_a_log_nothing_is_written_or_verified(tmp_path):
    run = trained(tmp_path, *GRPO, "stage.log_completions=false")
    assert run.completions == []
    assert read_manifest(run.path).status == "finished"
    outcome = rescored(run)
    assert outcome.status == 2
    assert "holds no completions.jsonl; a run keeps one under stage.log_completions=true" in outcome.stderr


@pytest.mark.parametrize("overrides", [(), ("stage.num_iterations=2",), ("rollout.async_judge=true",)])
def test_the_log_of_an_interrupted_and_resumed_run_is_that_of_an_uninterrupted_one(overrides, tmp_path, monkeypatch):
    asked = (*GRPO, "trainer.max_steps=6", "judge=noisy_40", *overrides)
    straight = trained(tmp_path / "straight", *asked)
    with interrupted_in_batch(GRPOModule, 2), pytest.raises(RunInterrupted):
        trained(tmp_path / "broken", *asked)
    ((broken, _),) = runs_below(tmp_path / "broken")
    log, whole = broken.completions_of(0), straight.completions_of(0).read_bytes()
    assert 0 < len(log.read_bytes()) < len(whole)
    log.write_bytes(whole[: len(log.read_bytes()) + 1500])  # as a kill leaves it: steps after the checkpoint, one torn
    monkeypatch.chdir(tmp_path)
    resumed(broken)
    assert log.read_bytes() == whole


def test_a_checkpoint_between_two_rollouts_is_followed_by_those_that_it_does_not_know(tmp_path, monkeypatch):
    monkeypatch.setattr(running, "CHECKPOINT_EVERY", 2)
    straight = trained(tmp_path / "straight", *GRPO, "trainer.max_steps=3")

    class Killed(BaseException):
        pass

    original = GRPOModule.training_step

    def step(self, batch):
        if self.global_step == 3:
            raise Killed
        return original(self, batch)

    with monkeypatch.context() as patch:
        patch.setattr(GRPOModule, "training_step", step)
        with pytest.raises(Killed):
            trained(tmp_path / "broken", *GRPO, "trainer.max_steps=4")
    ((broken, _),) = runs_below(tmp_path / "broken")
    assert broken.completions_of(0).read_bytes() == straight.completions_of(0).read_bytes()
    assert [row["step"] for row in lines(resumed(broken))] == [step for step in (1, 2, 3, 4) for _ in range(8)]
