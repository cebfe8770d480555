"""Runs whose reward is of a noisy, a worded or several judges: trained, gone on with, evaluated, planned, refused."""

import json

import pytest
from fake_chat import KEY, MODEL, FakeChat, serving
from running import LIGHTNING_WARNINGS, TINY_DATA, TINY_GRPO, are_equal, entry, exported, metrics, runs_below, trained

from pathvlm_r1.reward import EVENTS, JudgeError
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS

GRPO = (*TINY_GRPO, "stage.init=base", "trainer.max_steps=4", "reward=process")


@pytest.fixture(autouse=True)
def key_of_the_member(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)


def paid_member(url, folder):
    own = (
        f"url={url}", f"model={MODEL}", "api_key_env=JUDGE_KEY", "image_size=56", f"cache={folder}/judge.sqlite",
        f"prices=[{{model: {MODEL}, input: 2.0, output: 8.0}}]", "backoff_seconds=0.01", "concurrency=1",
    )  # fmt: skip
    return ("judge=panel", "+judge@judge.members.paid=openai", *(f"judge.members.paid.{value}" for value in own))


@pytest.mark.parametrize("choice", ["noisy_40", "rules"])
def test_a_run_is_rewarded_by_a_judge_that_costs_nothing_and_names_it(choice, tmp_path):
    run = trained(tmp_path, *GRPO, f"judge={choice}")
    assert read_manifest(run.path).config["judge"]["name"] == choice
    rows = [row for row in metrics(run) if row.get("grpo/reward/process")]
    assert len(rows) == 4
    assert not [name for name in rows[0] if name.startswith("grpo/judge/")]


def test_a_panels_run_logs_its_disagreement_and_ends_with_the_same_weights_again(tmp_path):
    own = ("judge=panel", "judge.rule=mean", "stage.learning_rate=1e-3")
    straight = trained(tmp_path / "straight", *GRPO, *own)
    rows = [row for row in metrics(straight) if row.get("grpo/judge/disagreement")]
    assert len(rows) == 4
    assert all(0 <= float(row[f"grpo/judge/disagreement/{name}"]) <= 1 for row in rows for name in EVENTS)
    assert set(read_manifest(straight.path).config["judge"]["members"]) == {"oracle", "rules", "noisy"}
    assert are_equal(exported(trained(tmp_path / "again", *GRPO, *own)), exported(straight))


def test_a_panel_whose_member_reached_its_cap_goes_on_under_a_higher_one(tmp_path):
    chat = FakeChat()
    with serving(chat) as url:
        with pytest.raises(JudgeError, match=r"judge\.members\.paid: judge\.max_cost=0\.05: .*; go on with: "):
            trained(tmp_path, *GRPO, *paid_member(url, tmp_path), "judge.members.paid.max_cost=0.05")
        ((broken, _),) = runs_below(tmp_path)
        paid = sum(chat.paid.values())
        outcome = entry("train", f"resume={broken.path}", "judge=openai", "judge.max_cost=5")
    assert outcome.status == 0, outcome.text
    manifest = read_manifest(broken.path)
    assert (manifest.status, manifest.config["judge"]["name"]) == ("finished", "panel")
    assert 0 < paid < sum(chat.paid.values()) == sum(chat.asked.values())


def test_an_evaluation_by_a_panel_says_what_each_member_decided(tmp_path):
    with serving(FakeChat()) as url:
        outcome = entry(
            "eval", *TINY_DATA, f"output={tmp_path}", "evaluation.replicates=50", *paid_member(url, tmp_path)
        )
    assert outcome.status == 0, outcome.text
    (file,) = tmp_path.glob("*/predictions/*.jsonl")
    for line in map(json.loads, file.read_text().splitlines()):
        members = line["judged_by"]["members"]
        assert list(members) == ["oracle", "rules", "noisy", "paid"]
        assert members["paid"]["model"] == MODEL
        assert members["noisy"]["wraps"] == "oracle"
        assert line["judged_by"]["disagreement"].keys() == set(EVENTS)


def test_a_dry_run_of_a_panel_prints_its_plan_and_ends(tmp_path):
    arguments = (*GRPO[:3], *TINY_DATA, f"output={tmp_path / 'out'}", *paid_member("http://127.0.0.1:9/v1", tmp_path))
    outcome = entry("train", *arguments, "judge.dry_run=true")
    assert outcome.status == 0, outcome.text
    assert "judge.members.paid=openai" in outcome.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_panel_without_the_key_of_a_member_is_refused_before_anything_is_loaded(tmp_path, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY")
    typed = (*TINY_DATA, f"output={tmp_path / 'out'}", *paid_member("http://127.0.0.1:9/v1", tmp_path))
    outcome = entry("train", "stage=grpo", *typed)
    assert outcome.status == 2
    assert outcome.stderr.startswith("error: judge.members.paid.api_key_env=JUDGE_KEY: this environment variable")
    assert list(tmp_path.iterdir()) == []
