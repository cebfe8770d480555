"""The README's own term, and weights that follow the optimiser's steps, in whole runs at nano size."""

import re
import shlex

import pytest
from running import (
    LIGHTNING_WARNINGS,
    ROOT,
    TINY,
    TINY_GRPO,
    command,
    interrupted_in_batch,
    metrics,
    resumed,
    runs_below,
    trained,
)

from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.tracking import RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

README = (ROOT / "README.md").read_text()
SECTION = README.partition("## Rewards")[2].partition("\n## ")[0]
SCHEDULE = "+reward.format.schedule={first: 0, last: 1, from_step: 1, to_step: 3}"


def test_the_readme_s_term_of_ones_own_is_ten_lines_and_rewards_a_run(tmp_path, monkeypatch):
    (code,) = re.findall(r"```python\n(.*?)```", SECTION, flags=re.DOTALL)
    assert len([line for line in code.splitlines() if line]) <= 10
    (typed,) = re.findall(r"^    PYTHONPATH=\. python src/train\.py (.*)$", SECTION, flags=re.MULTILINE)
    (tmp_path / "my_terms.py").write_text(code)
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'src'}")
    short = (*TINY, *TINY_GRPO, "stage.init=base", "trainer.max_steps=1", "output=runs", "logger=csv")
    outcome = command("train", *shlex.split(typed), *short, cwd=tmp_path)
    assert outcome.status == 0, outcome.text
    ((run, manifest),) = runs_below(tmp_path / "runs")
    (row,) = metrics(run)
    assert 0 < float(row["grpo/reward/brief"]) <= 1 or float(row["grpo/missing/brief"]) > 0
    assert manifest.config["reward"]["terms"]["brief"]["most_words"] == 40
    assert "validation/reward/brief" in manifest.measured or float(row["grpo/missing/brief"]) == 8


def test_a_term_of_ones_own_that_fails_ends_the_run_with_its_name_and_the_sample(tmp_path, monkeypatch):
    (tmp_path / "my_terms.py").write_text("def broken(completion):\n    return completion.txt\n")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path}:{ROOT / 'src'}")
    own = "+reward.terms={broken: {_target_: my_terms.broken, weight: 1}}"
    outcome = command("train", *TINY, *TINY_GRPO, "stage.init=base", "output=runs", own, cwd=tmp_path)
    assert outcome.status == 2
    assert "error: reward.terms.broken raised AttributeError on sample phantom/rl/" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def weights_by_step(run):
    return [float(row["grpo/reward/format_weight"]) for row in metrics(run)]


@pytest.mark.parametrize("ahead", ["false", "true"])
def test_a_scheduled_weight_follows_the_steps_also_of_a_run_that_was_interrupted_or_judges_ahead(tmp_path, ahead):
    """The weights are of the step that learns from a rollout, whenever it was judged."""
    overrides = (*TINY_GRPO, "stage.init=base", "trainer.max_steps=4", SCHEDULE, f"rollout.async_judge={ahead}")
    straight = trained(tmp_path / "straight", *overrides)
    assert weights_by_step(straight) == [0.0, 0.0, 0.5, 1.0]
    with interrupted_in_batch(GRPOModule, 2), pytest.raises(RunInterrupted):
        trained(tmp_path / "broken", *overrides)
    ((broken, _),) = runs_below(tmp_path / "broken")
    assert weights_by_step(resumed(broken)) == [0.0, 0.0, 0.5, 1.0]
    assert read_manifest(broken.path).measured["optimiser_steps"] == 4


@pytest.mark.parametrize("reward", ["dual_gated", "dual_consistent", "dual_length"])
def test_a_shipped_reward_trains_a_step_and_reports_its_terms(tmp_path, reward):
    longer = ("trainer.max_steps=1", "model.max_completion_tokens=32")
    run = trained(tmp_path, *TINY_GRPO, "stage.init=base", f"reward={reward}", *longer)
    (row,) = metrics(run)
    added = {"dual_gated": "process_effective", "dual_consistent": "consistency", "dual_length": "repetition"}[reward]
    assert f"grpo/reward/{added}" in row
    measured = read_manifest(run.path).measured
    expected = {"dual_gated": "process", "dual_consistent": None, "dual_length": "length"}[reward]
    assert expected is None or f"validation/reward/{expected}" in measured
