"""A real Qwen2.5-VL of nano size and random weights as the judge: nothing it says is a verdict; everything holds."""

import json
import re
import sqlite3

import pytest
from running import LIGHTNING_WARNINGS, TINY_GRPO, entry, metrics, trained
from tiny import tiny_encoder

from pathvlm_r1.assembly.local_chats import local_chat
from pathvlm_r1.model.nano import nano_model
from pathvlm_r1.model.processor import save_processor
from pathvlm_r1.reward import JudgeError
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture(scope="module")
def random_judge(tmp_path_factory):
    """A folder of random weights."""
    folder = tmp_path_factory.mktemp("judge") / "random"
    processor = tiny_encoder().processor
    model = nano_model(processor.tokenizer, hidden=64, layers=2, vision_hidden=48, vision_layers=2, seed=0)
    model.save_pretrained(folder)
    save_processor(processor, folder)
    return folder


def judge(model, folder, *more):
    return (
        "judge=local", f"judge.model={model}", "judge.precision=float32", "judge.image_size=56", "judge.max_tokens=4",
        "judge.constrained=false", f"judge.cache={folder}/judge.sqlite", *more,
    )  # fmt: skip


GRPO = (*TINY_GRPO, "stage.init=base", "stage.validation_samples=2", "stage.learning_rate=1e-3")


def test_a_training_goes_on_without_its_verdicts_counts_them_and_may_be_audited(random_judge, tmp_path):
    run = trained(tmp_path, *GRPO, *judge(random_judge, tmp_path, "judge.max_missing_share=1"))
    rows = [row for row in metrics(run) if row.get("grpo/missing/process")]
    assert [float(row["grpo/missing/process"]) for row in rows] == [8, 8]
    lines = [json.loads(line) for line in run.completions_of(0).read_text().splitlines()]
    given = [line["terms"]["process"] for line in lines]
    assert {(one["value"], one["events"]) for one in given} == {(None, None)}
    told = given[0]["judged_by"]
    assert (told["judge"], told["model"], told["prompt"], len(told["revision"])) == (
        "local", str(random_judge), "process_events_v1", 64,
    )  # fmt: skip
    assert read_manifest(run.path).status == "finished", "its log was verified"
    kept = sqlite3.connect(tmp_path / "judge.sqlite").execute("SELECT COUNT(*), SUM(cost) FROM calls").fetchone()
    distinct = len({(line["sample_id"], line["completion"]) for line in lines})
    assert (kept[0] >= distinct, kept[1]) == (True, 0)
    out = tmp_path / "audit.json"
    settings = judge(random_judge, tmp_path, "judge.max_missing_share=1", "repeats=2", "n=4", "replicates=50")
    outcome = entry("eval", "task=judge_audit", f"run={run.path}", *settings, f"out={out}")
    assert outcome.status == 0, outcome.text
    found = json.loads(out.read_text())
    assert (found["missing"], found["compared"], found["cost"]["usd"]) == ([4, 4], 0, 0)
    assert "without a verdict: 4, 4 of 4, each of 2 times" in outcome.stdout


def test_too_many_missing_verdicts_end_a_run_in_one_message(random_judge, tmp_path):
    with pytest.raises(JudgeError, match=r"judge\.max_missing_share=0\.2: 8 of 8 completions have no verdict"):
        trained(tmp_path, *GRPO, *judge(random_judge, tmp_path))


def test_a_folder_without_a_model_is_refused_before_anything_is_loaded(tmp_path):
    for model in (tmp_path, "no_such_folder", "/no/such/folder"):
        outcome = entry("train", "stage=grpo", f"output={tmp_path / 'out'}", *judge(model, tmp_path))
        assert outcome.status == 2
        assert outcome.stderr.startswith(f"error: judge.model={model}: no such folder with a config.json")
    assert list(tmp_path.iterdir()) == []


def test_weights_are_loaded_once_and_known_by_their_content(random_judge):
    first = local_chat(str(random_judge), "float32", is_constrained=False)
    assert local_chat(str(random_judge), "float32", is_constrained=False) is first
    other = local_chat(str(random_judge), "bfloat16", is_constrained=False)
    assert (other.revision == first.revision, other.decoding == first.decoding) == (True, False)


def test_it_is_told_once_where_the_weights_lie_and_what_they_take(random_judge, caplog):
    local_chat.cache_clear()
    with caplog.at_level("INFO", logger="pathvlm_r1"):
        for _ in range(2):
            local_chat(str(random_judge), "float32", is_constrained=False)
    size = sum(path.stat().st_size for path in random_judge.glob("*.safetensors")) / 2**20
    (told,) = [record.message for record in caplog.records if record.name.startswith("pathvlm_r1")]
    found = re.fullmatch(rf"judge\.model={random_judge}: ([\d.]+) MiB of weights on cpu, for the whole run", told)
    assert float(found[1]) == pytest.approx(size, abs=0.1)


def test_within_the_schema_random_weights_give_verdicts_that_are_worth_nothing(random_judge, tmp_path):
    pytest.importorskip("llguidance", reason="llguidance is not installed; requirements.lock has it")
    samples = entry("data", "format=jsonl", "n=2", "split=validation", "dataset.splits.validation=2")
    lines = [json.loads(line) for line in samples.stdout.splitlines()]
    path, out = tmp_path / "completions.jsonl", tmp_path / "audit.json"
    path.write_text("".join(json.dumps({"sample_id": o["id"], "completion": o["reference"]}) + "\n" for o in lines))
    settings = [one for one in judge(random_judge, tmp_path) if not one.startswith(("judge.max_t", "judge.constr"))]
    outcome = entry(
        "eval", "task=judge_audit", f"completions={path}", "split=validation", "dataset.splits.validation=2",
        *settings, "judge.constrained=true", "judge.max_tokens=1500", "repeats=1", "replicates=50", f"out={out}",
    )  # fmt: skip
    assert outcome.status == 0, outcome.text
    found = json.loads(out.read_text())
    assert (found["missing"], found["compared"]) == ([0], 2)
