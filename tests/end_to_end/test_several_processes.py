"""Data-parallel training: one run, whatever the number of processes, and the weights that one process would reach."""

import re
import signal

import pytest
import torch
from pytorch_lightning.utilities import rank_zero_only
from running import (
    LIGHTNING_WARNINGS,
    TINY,
    TINY_GRPO,
    TINY_SFT,
    command,
    composed,
    exported,
    last_weights,
    metrics,
    of_mixture,
    runs_below,
    started,
    trained,
)

from pathvlm_r1.assembly import Launch, train
from pathvlm_r1.config import ConfigError
from pathvlm_r1.evaluation import read_log
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS

TWO = ("trainer.devices=2", "+trainer.strategy=ddp")
SFT = ("stage=sft", "trainer.precision=64-true")  # in float64 nothing but rounding lies between the two
LONGER = ("stage.max_steps=20", "stage.validation_every=20")


def trained_by_two(folder, *overrides):
    """The only run that a command with two processes adds, after it has ended well, and what the command said."""
    before = [run for run, _ in runs_below(folder)]
    outcome = command("train", *TWO, *overrides, "output=runs", cwd=folder)
    assert outcome.status == 0, outcome.text
    assert "Warning" not in outcome.text
    assert outcome.stdout.count("language model:") == 1, "only the first process speaks"
    ((run, manifest),) = [one for one in runs_below(folder) if one[0] not in before]
    assert len([path for path in run.path.parent.iterdir() if path.is_dir()]) == len(before) + 1
    assert manifest.status == "finished"
    assert run.export.is_dir()
    return run, outcome.stdout


def test_two_processes_train_one_run_to_the_weights_of_one_process(tmp_path):
    (two, _), one = trained_by_two(tmp_path, *TINY_SFT, *SFT), trained(tmp_path / "one", *SFT)
    left, right = exported(two), exported(one)
    assert left.keys() == right.keys()
    for name in left:
        torch.testing.assert_close(left[name], right[name], rtol=1e-9, atol=1e-9)
    half = exported(trained(tmp_path / "half", *SFT, "stage.rows_per_step=2"))
    assert max((left[name] - half[name]).abs().max() for name in left) > 1e-4, "each one's own share leads elsewhere"
    for by_two, by_one in zip(metrics(two), metrics(one), strict=True):
        for name in ("sft/loss", "sft/token_accuracy", "sft/gradient_norm", "sft/tokens"):  # logged in float32
            assert float(by_two[name]) == pytest.approx(float(by_one[name]), rel=1e-6)


def test_two_processes_follow_grpo_in_one_run_from_the_parent_that_is_there(tmp_path):
    parent = trained(tmp_path / "runs", "stage=sft")
    run, said = trained_by_two(tmp_path, *TINY, *TINY_GRPO, "objective/advantage=batch_std")
    assert read_manifest(run.path).parent.run == str(parent.path)
    assert len(metrics(run)) == 2
    assert [len(read_log(path)) for path in run.completions] == [8, 8], "each process logs its own share"
    assert "verified: terms, totals and advantages of all 16 completions in 2 rollouts" in said
    (summary,) = [line for line in said.splitlines() if "first 2 steps: groups all wrong" in line]
    assert re.search(r"within (all|\d of) 4 groups", summary), "two steps of one prompt for each of the two processes"
    assert all(tensor.isfinite().all() for tensor in last_weights(run).values())


@pytest.mark.slow
def test_shares_of_a_mixture_are_those_of_all_processes_and_a_validation_stands_where_it_was(tmp_path):
    longer = (*of_mixture(*TINY_SFT), *SFT, "stage.max_steps=5", "stage.validation_every=2")
    two, _ = trained_by_two(tmp_path, *longer)
    one = train(composed("train", *longer, f"output={tmp_path / 'one'}"), Launch())
    for name in ("mixture/phantom/share", "mixture/phantom_ct/share", "validation/source/phantom/accuracy"):
        assert [row[name] for row in metrics(two)] == [row[name] for row in metrics(one)], name
    assert [bool(row["validation/accuracy"]) for row in metrics(two)] == [False, True, False, True, True]


@pytest.mark.slow
def test_what_sources_of_a_mixture_earn_is_over_the_completions_of_all_processes(tmp_path):
    run, _ = trained_by_two(tmp_path, *of_mixture(*TINY), *TINY_GRPO, "stage.init=base", "reward=accuracy_format")
    logged = [line for path in run.completions for line in read_log(path)]
    for rollout, row in enumerate(metrics(run)):
        for source in ("phantom", "phantom_ct"):
            drawn = [line for line in logged if line.rollout <= rollout]
            own = [line for line in drawn if line.sample_id.startswith(f"{source}/")]
            assert float(row[f"mixture/{source}/share"]) == pytest.approx(len(own) / len(drawn))
            now = [line for line in own if line.rollout == rollout]
            for name, values in {
                "reward": [line.total for line in now],
                "accuracy": [line.terms["accuracy"].value for line in now],
            }.items():
                written = row[f"mixture/{source}/{name}"]
                assert (float(written) == pytest.approx(sum(values) / len(values))) if values else written == ""


def test_two_processes_train_no_parent_on_the_way(tmp_path):
    with pytest.raises(ConfigError, match=r"no finished SFT run .* train it first: python src/train.py stage=sft "):
        trained(tmp_path, *TINY_GRPO, *TWO)
    assert runs_below(tmp_path) == []


def test_a_batch_that_processes_do_not_divide_is_refused_before_a_run_begins(tmp_path):
    with pytest.raises(ConfigError, match=r"stage\.prompts_per_step=3: 2 processes must share it equally"):
        trained(tmp_path, *TINY_GRPO, *TWO, "model.recipe.grpo.prompts_per_step=3")
    assert runs_below(tmp_path) == []


def test_a_process_that_the_first_one_has_not_launched_is_refused(tmp_path, monkeypatch):
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(rank_zero_only, "rank", 0)  # Lightning sets it; put back for the tests after this one
    with pytest.raises(ConfigError, match="process 1 of 2 was not launched by the first one"):
        trained(tmp_path, *TINY_GRPO, *TWO, "stage.init=base")
    assert list(tmp_path.iterdir()) == []


def test_a_sweep_over_several_processes_is_refused(tmp_path):
    outcome = command("train", "-m", "stage=sft", "seed=0,1", *TINY_SFT, *TWO, "output=runs", cwd=tmp_path)
    assert outcome.status == 2
    assert "a sweep trains in one process, trainer.* asks for 2" in outcome.stderr
    assert runs_below(tmp_path) == []


def test_an_interrupt_of_one_process_ends_both_after_the_same_step_and_both_go_on(tmp_path):
    process = started("train", *TINY_SFT, *TWO, *SFT, *LONGER, "output=runs", cwd=tmp_path)
    for line in process.stdout:
        if line.startswith("sft-phantom-s0 2/20"):
            process.send_signal(signal.SIGINT)
            break
    _, stderr = process.communicate()
    assert process.returncode == 130, stderr
    ((run, manifest),) = runs_below(tmp_path)
    assert manifest.status == "interrupted"
    assert f"go on with: python src/train.py resume=runs/{run.path.name}" in stderr
    assert command("train", f"resume=runs/{run.path.name}", cwd=tmp_path).status == 0
    assert [manifest.status for _, manifest in runs_below(tmp_path)] == ["finished"]
    straight = trained(tmp_path / "one", *SFT, *LONGER)
    for name, tensor in last_weights(straight).items():
        # What Adam makes of rounding in 20 steps.
        torch.testing.assert_close(last_weights(run)[name], tensor, rtol=1e-6, atol=1e-6)
