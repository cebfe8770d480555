"""Runs whose process reward a chat model decides: trained, broken off and gone on with, evaluated, planned, refused."""

import json
from collections import Counter

import pytest
import torch
from fake_chat import KEY, MODEL, FakeChat, serving, truth
from running import (
    LIGHTNING_WARNINGS,
    TINY_DATA,
    TINY_GRPO,
    are_equal,
    entry,
    exported,
    metrics,
    resumed,
    runs_below,
    trained,
)

from pathvlm_r1.reward import JudgeError
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS

STEPS = 4  # of 2 prompts with 4 completions
GRPO = (*TINY_GRPO, "stage.init=base", f"trainer.max_steps={STEPS}", "stage.learning_rate=1e-3", "reward=process")


@pytest.fixture(autouse=True)
def key(monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)


def judge(url, folder):
    return (
        "judge=openai", f"judge.url={url}", f"judge.model={MODEL}", "judge.api_key_env=JUDGE_KEY",
        "judge.image_size=56", f"judge.prices=[{{model: {MODEL}, input: 2.0, output: 8.0}}]",
        f"judge.cache={folder}/judge.sqlite", "judge.backoff_seconds=0.01",
    )  # fmt: skip


def test_a_run_that_its_judge_ends_goes_on_to_the_same_weights_and_pays_nothing_twice(tmp_path, monkeypatch):
    chat = FakeChat()
    with serving(chat) as url:
        straight = trained(tmp_path / "straight", *GRPO, *judge(url, tmp_path / "straight"))
        asked = Counter(chat.asked)
        chat.asked.clear()
        chat.paid.clear()
        chat.script = lambda *_: "400" if sum(chat.asked.values()) > len(asked) // 2 else None
        with pytest.raises(JudgeError) as caught:
            trained(tmp_path / "broken", *GRPO, *judge(url, tmp_path / "broken"))
        ((broken, manifest),) = runs_below(tmp_path / "broken")
        assert manifest.status == "failed"
        assert str(caught.value).startswith("judge.max_missing_share=0.2: ")
        assert str(caught.value).endswith(f"; go on with: python src/train.py resume={broken.path}")
        assert 0 < torch.load(broken.last_checkpoint, weights_only=True)["global_step"] < STEPS
        chat.script = lambda *_: None
        monkeypatch.chdir(tmp_path)
        resumed(broken)
    assert read_manifest(broken.path).status == "finished"
    assert are_equal(exported(broken), exported(straight))
    assert chat.paid == asked, "each answer of the unbroken run, and each once"
    rows = [row for row in metrics(straight) if row.get("grpo/judge/cost_usd")]
    assert len(rows) == STEPS
    assert sum(float(row["grpo/missing/process"]) for row in rows) == 0
    assert float(rows[0]["grpo/judge/cost_usd"]) > 0


def test_a_run_that_reached_its_cap_goes_on_under_a_higher_one_and_pays_nothing_twice(tmp_path):
    chat = FakeChat()
    with serving(chat) as url:
        own = (*judge(url, tmp_path), "judge.concurrency=1")
        with pytest.raises(JudgeError, match=r"judge\.max_cost=0\.05: .*; go on with: "):
            trained(tmp_path, *GRPO, *own, "judge.max_cost=0.05")
        ((broken, _),) = runs_below(tmp_path)
        paid = sum(chat.paid.values())
        outcome = entry("train", f"resume={broken.path}", "judge=openai", "judge.max_cost=5")
    assert outcome.status == 0, outcome.text
    assert read_manifest(broken.path).status == "finished"
    assert 0 < paid < sum(chat.paid.values()) == sum(chat.asked.values())


def test_the_parent_that_a_run_trains_first_asks_no_judge(tmp_path, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY")  # nor needs its key
    run = trained(tmp_path, "stage=sft", *judge("http://127.0.0.1:9/v1", tmp_path))
    measured = read_manifest(run.path).measured
    assert "validation/accuracy" in measured
    assert "validation/process" not in measured


def test_an_evaluation_says_who_decided_the_events(tmp_path):
    with serving(FakeChat()) as url:
        outcome = entry("eval", *TINY_DATA, f"output={tmp_path}", "evaluation.replicates=50", *judge(url, tmp_path))
    assert outcome.status == 0, outcome.text
    (file,) = tmp_path.glob("*/predictions/*.jsonl")
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    assert {line["judged_by"]["model"] for line in lines} == {MODEL}
    assert [line["events"] for line in lines if line["completion"].strip()] == [
        truth(line["completion"]).to_dict() for line in lines if line["completion"].strip()
    ]


def test_a_dry_run_prints_its_plan_and_ends(tmp_path):
    arguments = (*GRPO[:3], *TINY_DATA, f"output={tmp_path / 'out'}", *judge("http://127.0.0.1:9/v1", tmp_path))
    outcome = entry("train", *arguments, "judge.dry_run=true")
    assert outcome.status == 0, outcome.text
    assert "nothing was sent" in outcome.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("task", [(), ("task=rl_readiness", "n=2")])
def test_a_command_that_has_no_plan_to_say_pays_nothing_under_dry_run_and_says_so(task, tmp_path):
    output = () if task else (f"output={tmp_path / 'out'}",)
    chat = FakeChat()
    with serving(chat) as url:
        outcome = entry("eval", *task, *TINY_DATA, *output, *judge(url, tmp_path), "judge.dry_run=true")
    assert outcome.status == 2
    assert outcome.stderr.startswith("error: judge.dry_run=true: this command would ask the judge and pay it")
    assert not chat.asked
    assert list(tmp_path.iterdir()) == []


def test_a_dry_run_says_what_it_costs_to_reward_completions_from_elsewhere_and_those_of_a_run(tmp_path):
    run = trained(tmp_path / "run", *GRPO, "trainer.max_steps=1", "stage.validation_samples=2")
    logged = [json.loads(line) for line in run.completions_of(0).read_text().splitlines()]
    path, folder, chat = tmp_path / "completions.jsonl", tmp_path / "judge", FakeChat()
    path.write_text(
        "".join(json.dumps({key: line[key] for key in ("sample_id", "completion")}) + "\n" for line in logged)
    )
    with serving(chat) as url:
        asked = ("eval", "task=rescore", *judge(url, folder), "judge.dry_run=true", "reward=process")
        elsewhere = entry(*asked, f"completions={path}", "split=rl", TINY_DATA[0])
        of_run = entry(*asked, f"run={run.path}", "ask=true")
        free = entry("eval", "task=rescore", f"run={run.path}", "ask=true", "judge=panel", "judge.dry_run=true")
    for outcome in (elsewhere, of_run):
        assert outcome.status == 0, outcome.text
        assert "calls   8: 8 completions\n" in outcome.stdout
        assert "cost    " in outcome.stdout
    assert (free.status, free.stderr) == (2, "error: judge.dry_run=true: judge=panel costs nothing\n")
    assert not chat.asked
    assert not folder.exists()


@pytest.mark.parametrize(
    ("name", "more"), [("train", ("stage=grpo",)), ("eval", ()), ("eval", ("task=rl_readiness", "n=2"))]
)
def test_a_judge_without_its_key_is_refused_before_anything_is_loaded(name, more, tmp_path, monkeypatch):
    monkeypatch.delenv("JUDGE_KEY")
    output = () if "task=rl_readiness" in more else (f"output={tmp_path / 'out'}",)
    outcome = entry(name, *more, *TINY_DATA, *output, *judge("http://127.0.0.1:9/v1", tmp_path))
    assert outcome.status == 2
    assert outcome.stderr.startswith("error: judge.api_key_env=JUDGE_KEY: this environment variable is not set")
    assert list(tmp_path.iterdir()) == []


def test_a_judge_that_is_not_there_ends_a_run_in_one_message(tmp_path):
    arguments = (*TINY_GRPO, "stage.init=base", "logger=csv", *TINY_DATA, f"output={tmp_path}")
    outcome = entry("train", *arguments, *judge("http://127.0.0.1:9/v1", tmp_path), "judge.max_failures=3")
    assert outcome.status == 2, outcome.text
    assert "error: judge.url=http://127.0.0.1:9/v1: 3 requests in a row failed" in outcome.stderr
    assert "Traceback" not in outcome.text
