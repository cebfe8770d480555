"""What an evaluation may measure beside answers: forced choice, and what the report makes of it."""

import pytest
from running import LIGHTNING_WARNINGS, composed, evaluated, runs_below

from pathvlm_r1.config import ConfigError, refuse_unread
from pathvlm_r1.evaluation import read_choices, write_report

pytestmark = [*LIGHTNING_WARNINGS, pytest.mark.medium]
FEW = ("dataset.splits.test=3",)


def test_forced_choice_keeps_every_question_and_stands_in_the_report(tmp_path):
    (row,) = evaluated(f"output={tmp_path}", *FEW, "evaluation=forced_choice", "evaluation.prefix=<answer>")
    ((run, _),) = runs_below(tmp_path)
    choices = read_choices(run.choices / "phantom.test.forced_choice.jsonl")
    assert (row.stage, row.dataset, row.n, row.prefix) == ("base", "phantom", 3, "<answer>")
    assert row.margin == pytest.approx(row.margin_shuffled + row.picture_dependence)
    assert all(len(choice.orders) == len(choice.blank) == len(choice.shuffled) == 4 for choice in choices)
    assert not run.predictions.exists()
    evaluated(f"output={tmp_path}", *FEW)
    summary = write_report(tmp_path, tmp_path / "report", seed=0, replicates=50)
    assert summary.forced_choices == [row]
    text = (tmp_path / "report" / "report.md").read_text()
    assert f"| base | 0 | phantom behind `<answer>` | {row.accuracy:.3f} [" in text


@pytest.mark.parametrize("typed", ["contracts=[medevalkit_v1]", "reward=accuracy", "blank_images=true"])
def test_what_forced_choice_does_not_read_is_refused(typed):
    overrides = ["evaluation=forced_choice", typed]
    with pytest.raises(ConfigError, match="evaluation=forced_choice does not read it"):
        refuse_unread(overrides, composed("eval", *overrides))


def test_an_evaluation_judge_is_read_by_the_judgement_of_quality_alone():
    overrides = ["evaluation=greedy", "+judge@evaluation_judge=rules"]
    with pytest.raises(ConfigError, match="evaluation_judge: evaluation=greedy does not read it"):
        refuse_unread(overrides, composed("eval", *overrides))
