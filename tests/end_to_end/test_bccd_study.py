"""The study on blood smears, shortened: SFT, GRPO and evaluation by the commands of `experiments/bccd`."""

import pytest
from running import LIGHTNING_WARNINGS, entry, runs_below

pytestmark = LIGHTNING_WARNINGS

SHORT = (
    "model.recipe.sft.max_steps=2", "model.recipe.sft.rows_per_step=4", "model.recipe.sft.validation_every=2",
    "model.recipe.grpo.max_steps=1", "model.recipe.grpo.prompts_per_step=2", "stage.group_size=2",
    "model.max_completion_tokens=16", "dataset.rl_share=0.5",
)  # fmt: skip


@pytest.mark.medium
def test_training_evaluation_and_report_on_photographs(bccd_root, tmp_path):
    output = tmp_path / "outputs"
    outcome = entry("train", "experiment=bccd", f"dataset.root={bccd_root}", f"output={output}", *SHORT)
    assert outcome.status == 0, outcome.text
    assert "bccd: without the picture" in outcome.text
    runs = runs_below(output)
    assert [(manifest.arm, manifest.data.name) for _, manifest in runs] == [("sft", "bccd"), ("grpo", "bccd")]
    outcome = entry("eval", f"runs={output}", "dataset=bccd", f"dataset.root={bccd_root}", "raise_cap_to=null")
    assert outcome.status == 0, outcome.text
    for run, _ in runs:
        assert (run.path / "predictions" / "bccd.test.greedy.jsonl").is_file()
    outcome = entry("report", f"runs={output}", f"out={tmp_path / 'study'}", "replicates=50")
    assert outcome.status == 0, outcome.text
    assert "bccd" in (tmp_path / "study" / "report.md").read_text()
