"""`task=rl_readiness`: what it prints and writes for a checkpoint, and what it refuses."""

import json

import pytest
from running import LIGHTNING_WARNINGS, TINY_DATA, composed, entry

from pathvlm_r1.assembly import load_samples, readiness
from pathvlm_r1.config import ReadinessConfig
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.rollout import NativeEngine

pytestmark = LIGHTNING_WARNINGS

CHECK = ("task=rl_readiness", *TINY_DATA, "n=4", "group_size=4", "replicates=50")
LEFT_OUT = {"estimates", "missing", "counts", "verdict"}
LEFT_OUT_TERMS = (
    "text_similarity", "image_text_alignment", "consistency", "length", "overlong", "repetition", "terms"
)  # fmt: skip
PLAIN = {"weight": 1.0, "gate": None, "clip": None, "normalise": None, "schedule": None}


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_a_table_a_sentence_and_a_file_come_of_a_checkpoint_and_nothing_else_is_written(tmp_path):
    outcome = entry("eval", *CHECK, "out=found/readiness.json")
    assert outcome.status == 0, outcome.text
    found = json.loads((tmp_path / "found" / "readiness.json").read_text())
    assert [path.name for path in tmp_path.iterdir()] == ["found"]
    assert found["verdict"]["sentence"] in outcome.stdout
    assert f"{found['estimates']['groups/mixed']['value']:.3f}" in outcome.stdout
    assert {"reward/process/std_in_group", "pass@4", "format", "cap_hits", "steps/no_signal"} <= set(found["estimates"])
    assert {key: value for key, value in found.items() if key not in LEFT_OUT} == {
        "checkpoint": "embedded", "dataset": "phantom", "split": "rl", "seed": 0, "temperature": 1.0, "prompts": 4,
        "pictures": 4, "group_size": 4, "prompts_per_step": 8, "max_completion_tokens": 16,
        "reward": dict.fromkeys(LEFT_OUT_TERMS) | {
            "name": "dual", "missing": "group_mean", "accuracy": {"letter_and_text": False} | PLAIN,
            "format": PLAIN, "process": {"coefficient": 0.4, "events": None} | PLAIN,
        },
    }  # fmt: skip


def test_the_same_command_gives_the_same_numbers_and_another_seed_other_ones(tmp_path):
    for name, *more in (("first",), ("again",), ("other", "seed=1")):
        assert entry("eval", *CHECK, f"out={name}.json", *more).status == 0
    first, again, other = (json.loads((tmp_path / f"{name}.json").read_text()) for name in ("first", "again", "other"))
    assert first == again
    assert first["estimates"] != other["estimates"]


def test_a_policy_that_always_answers_alike_has_no_signal_and_is_told_why():
    outcome = entry("eval", *CHECK, "temperature=1e-4", "reward=accuracy")
    assert "RL has no signal: the rewards are equal within all 4 groups, because" in outcome.stdout


def test_completions_that_all_hit_the_cap_are_the_cause_that_is_named(monkeypatch):
    sample = NativeEngine.sample

    def endless(engine, *rollout):
        engine.end_ids = []  # nothing ends a completion
        return sample(engine, *rollout)

    monkeypatch.setattr(NativeEngine, "sample", endless)
    outcome = entry("eval", *CHECK, "reward=accuracy_format")
    assert "16 of 16 completions were cut at the limit of tokens: raise model.max_completion_tokens" in outcome.stdout


def test_the_prompts_are_those_that_a_run_of_the_same_seed_begins_with():
    config = ReadinessConfig.checked(composed("eval", *CHECK, "seed=3"))
    stream = ItemStream.shuffled(load_samples(config.dataset, "rl"), batch_size=4, seed=3)
    assert readiness._asked(config) == stream.batch(0)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["n=5"], "n=5: split=rl of phantom has 4 questions"),
        (["out=."], "out=.: is a folder; name a file in it, out=readiness.json"),
        (["model.checkpoint=./nowhere"], "model.checkpoint=./nowhere: no such folder"),
        (["+group_sise=4"], "group_sise is not a key; did you mean group_size?"),
        (["group_sise=4"], "group_sise is not a key; did you mean group_size?"),
        (["runs=outputs"], "runs is not a key"),
        (["temperature=hot"], "temperature=hot: expected a finite number (float), got str"),
        (["evaluation=sampled"], "evaluation: task=rl_readiness does not read it; leave it out"),
    ],
)
def test_a_wrong_input_is_one_message_before_a_model_is_loaded(typed, message, monkeypatch):
    monkeypatch.setattr(readiness, "answering_policy", lambda *_: pytest.fail("a model was loaded"))
    outcome = entry("eval", *CHECK, *typed)
    assert outcome.status == 2
    assert outcome.stderr.startswith("error: ")
    assert message in outcome.stderr
    assert "Traceback" not in outcome.text
