"""The figures that runs are compared by, in the manifest: those of the weights that a run hands over."""

import pytest
from running import (
    LIGHTNING_WARNINGS,
    TINY_GRPO,
    evaluated,
    interrupted_in_batch,
    metrics,
    resumed,
    runs_below,
    trained,
)

from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.tracking import RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

NAMES = ["validation/accuracy", "validation/completion_tokens", "validation/format", "validation/process"]
LONG = "model.max_completion_tokens=48"  # some answers are complete, others are cut


def figures(run):
    measured = read_manifest(run.path).measured
    return {name: measured[name] for name in sorted(measured) if name.startswith("validation/")}


def evaluated_again(run, folder):
    """The same figures from `eval.py` on the export."""
    (row,) = evaluated(
        f"model.checkpoint={run.export}", "split=validation", "dataset.out_of_domain=[]", LONG, f"output={folder}"
    )
    return dict(zip(NAMES, (row.accuracy, row.mean_completion_tokens, row.format_rate, row.process_score), strict=True))


@pytest.mark.parametrize("overrides", [("stage=sft", "stage.validation_every=1"), (*TINY_GRPO, "stage.init=base")])
def test_a_finished_run_has_the_validation_figures_of_its_export(overrides, tmp_path):
    run = trained(tmp_path / "runs", *overrides, LONG)
    assert figures(run) == pytest.approx(evaluated_again(run, tmp_path / "again"))


def test_grpo_validates_once_after_its_last_step_and_not_when_it_is_interrupted(tmp_path):
    overrides = (*TINY_GRPO, "stage.init=base", "stage.minibatches=2", "trainer.max_steps=3")
    with interrupted_in_batch(GRPOModule, 1), pytest.raises(RunInterrupted):
        trained(tmp_path, *overrides)
    ((run, _),) = runs_below(tmp_path)
    assert figures(run) == {}
    resumed(run)
    assert list(figures(run)) == NAMES
    assert [row["validation/accuracy"] != "" for row in metrics(run)] == [False, True]


def test_a_score_without_any_verdict_is_no_figure(tmp_path):
    run = trained(tmp_path, *TINY_GRPO, "stage.init=base", "reward=accuracy", "trainer.max_steps=1")
    assert list(figures(run)) == NAMES[:3]
