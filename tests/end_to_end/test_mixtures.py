"""`dataset=mixture` in whole runs: what is drawn, what is told of each source, and what is refused."""

import json
import re
import shlex

import pytest
from drawn_tables import write_pathvqa
from running import (
    LIGHTNING_WARNINGS,
    MIXTURE,
    ROOT,
    TINY,
    TINY_GRPO,
    composed,
    entry,
    interrupted_in_batch,
    metrics,
    of_mixture,
    resumed,
    runs_below,
)

from pathvlm_r1.assembly import Launch, load_samples, train
from pathvlm_r1.config import ConfigError, TrainConfig
from pathvlm_r1.stages import GRPOModule
from pathvlm_r1.tracking import RunInterrupted

pytestmark = LIGHTNING_WARNINGS
SHORT = (*of_mixture(*TINY), *TINY_GRPO, "stage.init=base")
SHORT_SFT = (
    "stage.rows_per_step=4",
    "stage.rows_per_forward=4",
    "stage.validation_every=2",
    "model.max_completion_tokens=16",
)
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = re.findall(r"^    python src/train\.py (.* dataset=mixture .*)$", README, flags=re.MULTILINE)


def samples(split, *typed):
    return load_samples(TrainConfig.checked(composed("train", *MIXTURE, *typed)).dataset, split)


def trained(output):
    return train(composed("train", *SHORT, f"output={output}"), Launch())


def sources(run):
    """Of every logged rollout, what was told of the sources."""
    told = [{key: value for key, value in row.items() if key.startswith("mixture/")} for row in metrics(run)]
    return [row for row in told if row.get("mixture/phantom/share")]


def test_all_questions_of_all_sources_are_there_with_ids_of_their_own():
    mixed = samples("validation")
    assert {one.dataset for one in mixed} == {"mixture"}
    assert [one.source for one in mixed[:4]].count("phantom") == 2, "a beginning has both"
    assert len({one.sample_id for one in mixed}) == len(mixed) == 8
    assert all(
        one.sample_id.startswith(f"{one.source}/") and one.image_id.startswith(f"{one.source}/") for one in mixed
    )


def test_a_run_tells_how_often_every_source_was_drawn_and_what_it_earned(tmp_path):
    run = trained(tmp_path)
    rows = [row for row in metrics(run) if row.get("mixture/phantom/share")]
    assert len(rows) == 2
    logged = [json.loads(line) for line in (run.path / "completions.jsonl").read_text().splitlines()]
    asked = [line["sample_id"].partition("/")[0] for line in logged if line["index"] == 0]
    for drawn, row in zip((2, 4), rows, strict=True):
        share = asked[:drawn].count("phantom") / drawn
        assert float(row["mixture/phantom/share"]) == pytest.approx(share)
        assert float(row["mixture/phantom_ct/share"]) == pytest.approx(1 - share)
        now = logged[len(logged) * (drawn - 2) // 4 : len(logged) * drawn // 4]
        for name in ("phantom", "phantom_ct"):
            totals = [line["total"] for line in now if line["sample_id"].startswith(f"{name}/")]
            written = row[f"mixture/{name}/reward"]
            assert (float(written) == pytest.approx(sum(totals) / len(totals))) if totals else written == ""


def test_there_are_two_commands_of_mixtures_in_the_readme():
    assert len(COMMANDS) == 2


@pytest.mark.parametrize("arguments", COMMANDS)
def test_a_command_of_the_readme_trains_on_its_mixture(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    write_pathvqa(tmp_path / "path-vqa")
    outcome = entry("train", *shlex.split(arguments), *MIXTURE[1:], *SHORT_SFT, "logger=csv", "trainer.max_steps=2")
    assert outcome.status == 0, outcome.text
    ((run, manifest),) = runs_below(tmp_path / "outputs")
    assert manifest.measured["optimiser_steps"] == 2
    shown = {
        key.split("/")[1] for row in metrics(run) for key, value in row.items() if value and key.startswith("mixture/")
    }
    assert shown == {"phantom", "phantom_ct"} | ({"pathvqa"} if "pathvqa" in arguments else set())


@pytest.mark.slow
def test_an_interrupted_run_goes_on_with_the_same_draws_and_shares(tmp_path):
    whole = trained(tmp_path / "whole")
    with interrupted_in_batch(GRPOModule, 1), pytest.raises(RunInterrupted):
        trained(tmp_path / "broken")
    ((broken, _),) = runs_below(tmp_path / "broken")
    resumed(broken)
    assert sources(broken) == sources(whole)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("+dataset.sources.nothing={weight: 1, change: null}",), "dataset.sources.nothing: nothing is not a dataset"),
        (("+dataset.sources.mixture={weight: 1, change: null}",), "dataset.sources.mixture: is a mixture itself"),
        (
            ("+dataset.sources.phantom.change.sede=1",),
            "dataset.sources.phantom.change.sede is not a key; did you mean",
        ),
        (("+dataset.sources.phantom.change.seed=-1",), "dataset.sources.phantom.change: dataset.seed=-1"),
        (("+dataset.sources.bccd={weight: 1, change: null}",), "dataset.sources.bccd.change: root has no value"),
    ],
)
def test_a_source_that_cannot_be_is_named(typed, message):
    with pytest.raises(ConfigError) as caught:
        samples("rl", *typed)
    assert message in str(caught.value)


def test_weights_and_numbers_of_sources_are_checked():
    for typed, message in (
        ("dataset.sources.phantom.weight=0", "dataset.sources.phantom.weight=0.0: above 0"),
        ("~dataset.sources.phantom", "dataset.sources=phantom_ct: at least 2"),
    ):
        with pytest.raises(ConfigError) as caught:
            TrainConfig.checked(composed("train", "dataset=mixture", typed))
        assert message in str(caught.value)


def test_a_mixture_is_divided_by_the_split_files_of_its_sources_alone(tmp_path):
    root, file = write_pathvqa(tmp_path / "set"), tmp_path / "split.json"
    divided = entry("data", "task=split", "dataset=pathvqa", f"dataset.root={root}", "keys=[content]", f"out={file}")
    assert divided.status == 0, divided.text
    ids = {f"pathvqa/{one}" for one in json.loads(file.read_text())["roles"]["train_sft"]}
    assert ids
    for typed in (
        (f"+dataset.sources.pathvqa={{weight: 1, change: {{root: {root}, split_file: {file}}}}}",),
        (
            f"+dataset.sources.pathvqa={{weight: 1, change: {{root: {root}}}}}",
            f"+dataset.sources.pathvqa.change.split_file={file}",
        ),
    ):
        assert {one.sample_id for one in samples("sft", *typed) if one.source == "pathvqa"} == ids


@pytest.mark.parametrize("typed", [("task=split", "out=split.json"), ("task=verify", "dataset.split_file=split.json")])
def test_a_mixture_is_not_divided_as_a_whole(tmp_path, monkeypatch, typed):
    monkeypatch.chdir(tmp_path)
    outcome = entry("data", "dataset=mixture", *typed)
    assert outcome.status == 2
    assert "a mixture is divided source by source" in outcome.stderr
    assert "split_file within dataset.sources.<source>.change" in outcome.stderr
    assert list(tmp_path.iterdir()) == []


def test_an_oracle_is_refused_where_a_source_has_no_findings(tmp_path):
    write_pathvqa(tmp_path / "set")
    source = f"+dataset.sources.pathvqa={{weight: 1, change: {{root: {tmp_path / 'set'}}}}}"
    outcome = entry("train", *MIXTURE, source, "stage.init=base", f"output={tmp_path / 'runs'}")
    assert outcome.status == 2
    assert "judge=oracle: cannot score the process term of reward=dual on pathvqa of dataset=mixture" in outcome.stderr
    assert {one.source for one in samples("rl", source)} == {"phantom", "phantom_ct", "pathvqa"}
