"""What an evaluation may measure beside answers: forced choice, and what the report makes of it."""

import json
from dataclasses import replace

import pytest
from fake_chat import KEY, MODEL, FakeChat, answer, serving
from running import LIGHTNING_WARNINGS, composed, evaluated, runs_below

from pathvlm_r1.assembly.candidates import Candidate
from pathvlm_r1.assembly.qualities import rewards
from pathvlm_r1.config import ConfigError, EvalConfig, refuse_unread
from pathvlm_r1.evaluation import read_choices, read_graded, write_report
from pathvlm_r1.reward.judges import QUALITIES
from pathvlm_r1.tracking import read_manifest, write_json

pytestmark = LIGHTNING_WARNINGS
FEW = ("dataset.splits.test=3",)


def test_forced_choice_keeps_every_question_and_stands_in_the_report(tmp_path):
    (row,) = evaluated(f"output={tmp_path}", *FEW, "evaluation=forced_choice", 'evaluation.prefix="<answer>"')
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


GRADES = {name: 0.25 * (place % 5) for place, name in enumerate(QUALITIES)}


def asking(url, folder):
    return (
        "evaluation=judge_quality", f"evaluation_judge.url={url}", f"evaluation_judge.model={MODEL}",
        "evaluation_judge.api_key_env=JUDGE_KEY", f"evaluation_judge.cache={folder}/judge.sqlite",
        f"evaluation_judge.prices=[{{model: {MODEL}, input: 2.0, output: 8.0}}]", "evaluation_judge.image_size=56",
    )  # fmt: skip


def test_quality_is_graded_once_by_a_judge_of_its_own_and_stands_in_the_report(tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    chat = FakeChat(script=lambda *_: answer("", content=json.dumps(GRADES)))
    with serving(chat) as url:
        typed = (f"output={tmp_path}", "dataset.splits.test=6", *asking(url, tmp_path), "evaluation.n=4")
        (row,) = evaluated(*typed)
        paid = sum(chat.asked.values())
        assert evaluated(*typed)[0].grades == row.grades
        assert sum(chat.asked.values()) == paid <= 4
    ((run, _),) = runs_below(tmp_path)
    graded = read_graded(run.qualities / "phantom.test.judge_quality.jsonl")
    assert (row.n, row.graded, row.judge, row.is_rewarder) == (4, 4, f"{MODEL} quality_v1", False)
    assert row.grades == GRADES
    assert row.mean_completion_tokens == sum(one.completion_tokens for one in graded) / 4
    assert all("reference_answer" in str(body["messages"]) for body in chat.bodies), "shown, as the file has it"
    evaluated(f"output={tmp_path}", "dataset.splits.test=6")
    summary = write_report(tmp_path, tmp_path / "report", seed=0, replicates=50)
    (kept,) = summary.qualities
    assert kept.grades == GRADES
    assert "## Quality of answers" in (tmp_path / "report" / "report.md").read_text()
    _judge_that_rewarded_is_known(tmp_path, typed)


def _judge_that_rewarded_is_known(tmp_path, typed):
    """Alone or in a panel, by its model."""
    ((run, manifest),) = runs_below(tmp_path)
    candidate = Candidate("grpo", 0, None, run)
    judge = EvalConfig.checked(composed("eval", *typed)).evaluation_judge
    ours = {"name": "openai", "model": MODEL}
    for recorded, expected in (
        (ours, True), ({"name": "openai", "model": "another"}, False), ({"name": "oracle"}, False),
        ({"name": "panel", "members": {"a": {"name": "rules"}, "b": ours}}, True),
    ):  # fmt: skip
        write_json(run.manifest, replace(manifest, config={"judge": recorded}).row)
        assert read_manifest(run.path).config["judge"] == recorded
        assert rewards(judge, candidate) is expected


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("judge@evaluation_judge=rules",), "evaluation_judge.*prompt"),
        (("evaluation_judge.prompt=process_events_v1",), "evaluation_judge.prompt=process_events_v1: a prompt on"),
        (("evaluation_judge.max_tokens=0",), "evaluation_judge.max_tokens=0"),
        (("evaluation.n=0",), "evaluation.n=0"),
    ],
)
def test_a_judge_that_cannot_grade_is_refused(typed, message):
    with pytest.raises(ConfigError, match=message):
        EvalConfig.checked(composed("eval", "evaluation=judge_quality", *typed))


def test_a_judge_without_its_key_ends_the_evaluation_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    with pytest.raises(ConfigError, match=r"evaluation_judge\.api_key_env=OPENAI_API_KEY: .* is not set"):
        evaluated(f"output={tmp_path}", *FEW, "evaluation=judge_quality")
    assert list(tmp_path.iterdir()) == []
