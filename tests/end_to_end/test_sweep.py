"""How the runs of a sweep stand in W&B: side by side, told apart by what differs, with figures to compare."""

import wandb
from running import LIGHTNING_WARNINGS, TINY_SFT, entry, runs_below

from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS


def test_the_runs_of_a_sweep_share_a_group_and_are_named_by_what_differs(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    stored = []
    finish = wandb.Run.finish

    def finish_and_note(run, exit_code=None):
        stored.append((run.group, run.job_type, run.name, run.summary["validation/accuracy"]))
        finish(run, exit_code)

    monkeypatch.setattr(wandb.Run, "finish", finish_and_note)
    sweep = ("-m", "stage=sft", "stage.rows_per_step=2,4", "seed=1")
    outcome = entry("train", *sweep, *TINY_SFT, "logger=wandb", f"output={tmp_path}")
    assert outcome.status == 0, outcome.text
    groups, job_types, names, accuracies = zip(*stored, strict=True)
    assert len(set(groups)) == 1
    assert groups[0] != "phantom", "the sweep's own, not that of single runs"
    assert job_types == ("sft", "sft")
    assert names == ("stage.rows_per_step=2", "stage.rows_per_step=4")
    recorded = [read_manifest(run.path).measured["validation/accuracy"] for run, _ in runs_below(tmp_path)]
    assert list(accuracies) == recorded
