"""Evaluation of checkpoints and of folders of runs: which files, which fields, and what can be computed from them."""

import json
from dataclasses import fields, replace

import pytest
from PIL import Image
from running import LIGHTNING_WARNINGS, TINY_DATA, TINY_GRPO, command, entry, evaluated, runs_below, trained

from pathvlm_r1.assembly import scoring
from pathvlm_r1.evaluation import Prediction
from pathvlm_r1.evaluation.predictions import read_predictions
from pathvlm_r1.reward import RubricEvents, process_score

pytestmark = LIGHTNING_WARNINGS


@pytest.fixture(scope="module")
def few_questions():
    """Out-of-domain sets of four questions in place of 500."""
    named = scoring.named_dataset
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "named_dataset", lambda name: _small(named(name)))
        yield


def _small(dataset):
    return replace(dataset, splits=dict.fromkeys(dataset.splits, 4))


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    """A folder with an SFT run, a GRPO run that came from it, and a manifest that is none of ours."""
    folder = tmp_path_factory.mktemp("outputs")
    (folder / "another_program").mkdir()
    (folder / "another_program" / "manifest.json").write_text('{"name": "a web app"}')
    trained(folder, *TINY_GRPO, "trainer.max_steps=1")
    return folder


@pytest.fixture(scope="module")
def rows(output, few_questions):  # noqa: ARG001  out of domain
    return evaluated(f"runs={output}")


def test_runs_of_two_recipes_are_named_before_a_checkpoint_answers_and_again_by_the_report(tmp_path):
    folders = [trained(tmp_path, "stage=sft", f"stage.learning_rate={rate}").path for rate in (1e-3, 1e-4)]
    small = ("dataset.splits={sft: 6, rl: 4, validation: 4, test: 6}", "dataset.out_of_domain=[]")
    outcome = entry("eval", f"runs={tmp_path}", *small, "raise_cap_to=null", "evaluation.replicates=50")
    assert outcome.status == 0, outcome.text
    assert outcome.stdout.startswith(f"src/report.py will make no table of runs={tmp_path}: runs of one arm and seed ")
    refused = entry("report", f"runs={tmp_path}", "replicates=50")
    assert refused.status == 2
    for said in (outcome.stdout, refused.stderr):
        assert f"sft, seed 0: {', '.join(map(str, folders))} (stage.learning_rate=0.001|0.0001)" in said
        assert "move the others to another folder" in said


def arms(output):
    return {manifest.arm: run for run, manifest in runs_below(output)}


def test_a_folder_of_runs_is_scored_with_its_base_in_and_out_of_domain(output, rows):
    wanted = [(arm, dataset) for arm in ("base", "sft", "grpo") for dataset in ("phantom", "phantom_ct")]
    assert [(row.stage, row.dataset) for row in rows] == wanted
    assert [row.n for row in rows] == [6, 4] * 3
    assert all(row.ci_low <= row.accuracy <= row.ci_high for row in rows)
    assert all(row.split == "test" for row in rows)
    for run in arms(output).values():
        names = sorted(path.name for path in run.predictions.iterdir())
        assert names == ["phantom.test.greedy.jsonl", "phantom_ct.test.greedy.jsonl"]


@pytest.mark.usefixtures("few_questions")
def test_the_base_is_evaluated_once_however_often(output, rows):
    again = evaluated(f"runs={output}")
    assert again == rows
    assert sorted(manifest.arm for _, manifest in runs_below(output)) == ["base", "grpo", "sft"]


@pytest.mark.usefixtures("rows")
def test_a_prediction_has_all_that_is_needed_to_score_it_again(output):
    path = arms(output)["grpo"].predictions / "phantom.test.greedy.jsonl"
    lines = [json.loads(line) for line in path.read_text().splitlines()]
    assert all(line.keys() == {field.name for field in fields(Prediction)} for line in lines)
    assert len({line["sample_id"] for line in lines}) == 6
    assert all(len(line["prompt_hash"]) == 64 and line["contract"] == "think_answer_v1" for line in lines)
    assert all(line["is_correct"] == (line["answer"] == line["reference"]) for line in lines)
    assert all(len(line["events"]) == 6 and line["completion_tokens"] <= 16 for line in lines)
    assert all(line["likeliest_letter"] is None for line in lines), "only the base, which knows no tags, needs it"


@pytest.mark.usefixtures("rows")
def test_the_base_is_scored_by_option_log_probability_too(output):
    predictions = read_predictions(arms(output)["base"].predictions / "phantom.test.greedy.jsonl")
    assert all(prediction.likeliest_letter in "ABCD" for prediction in predictions)


@pytest.mark.usefixtures("rows")
def test_the_events_give_the_process_score_for_another_coefficient_without_a_model(output):
    run = arms(output)["grpo"]
    path = run.predictions / "phantom.test.greedy.jsonl"
    stored = read_predictions(path)
    rescored = [process_score(RubricEvents.from_dict(prediction.events), 0.1) for prediction in stored]
    evaluated(f"model.checkpoint={run.export}", "reward.process.coefficient=0.1")
    assert [prediction.process for prediction in read_predictions(path)] == rescored
    assert rescored != [prediction.process for prediction in stored]
    evaluated(f"model.checkpoint={run.export}")
    assert read_predictions(path) == stored, "and greedy answers are the same ones again"


@pytest.mark.usefixtures("rows")
def test_the_controls_without_the_right_picture_have_files_of_their_own(output):
    run = arms(output)["sft"]
    before = (run.predictions / "phantom.test.greedy.jsonl").read_bytes()
    for control in ("blank", "shuffled"):
        evaluated(f"model.checkpoint={run.export}", f"{control}_images=true")
        predictions = read_predictions(run.predictions / f"phantom.test.greedy.{control}.jsonl")
        assert all(prediction.image_id.endswith(f"#{control}") for prediction in predictions)
    assert (run.predictions / "phantom.test.greedy.jsonl").read_bytes() == before


@pytest.mark.usefixtures("rows")
def test_sampled_decoding_answers_each_question_several_times_in_its_own_file(output):
    run = arms(output)["sft"]
    evaluated(f"model.checkpoint={run.export}", "evaluation=sampled", "evaluation.replicates=50")
    predictions = read_predictions(run.predictions / "phantom.test.sampled.jsonl")
    assert sorted({prediction.decode for prediction in predictions}) == [0, 1, 2, 3, 4]
    assert len(predictions) == 5 * 6


def test_a_checkpoint_that_is_no_run_of_ours_keeps_its_predictions_below_output(tmp_path):
    (row,) = evaluated(f"output={tmp_path}", "split=validation")
    ((run, manifest),) = runs_below(tmp_path)
    assert (row.stage, row.split, row.n) == ("base", "validation", 4)
    assert manifest.arm == "base"
    assert (run.predictions / "phantom.validation.greedy.jsonl").is_file()


def test_predict_prints_one_answer_as_json_and_writes_nothing(tmp_path):
    Image.new("RGB", (60, 45), "pink").save(tmp_path / "smear.jpg")
    asked = ("task=predict", "image=smear.jpg", "question=What is shown?", "options=[benign,malignant]")
    outcome = command("eval", *asked, TINY_DATA[2], cwd=tmp_path)
    assert outcome.status == 0, outcome.text
    answer = json.loads(outcome.stdout)
    assert answer["likeliest_letter"] in ("A", "B")
    assert {"answer", "completion", "completion_tokens"} <= answer.keys()
    assert [path.name for path in tmp_path.iterdir()] == ["smear.jpg"]
