"""Which runs a report reads, which it takes, and which it refuses to put into one table."""

import re
from dataclasses import replace

import pytest
from evaluated_runs import add_predictions, answered, evaluated_run, study

from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.tracking import RunFolder, TrackingError, read_manifest, write_json


def test_arms_come_in_the_order_of_the_method_and_the_trained_dataset_first(tmp_path):
    for arm in ("zero_reward", "grpo", "base", "sft_continued", "sft"):
        evaluated_run(tmp_path / "deep" / arm, arm)
    collection = collect(tmp_path)
    assert list(dict.fromkeys(answers.run.arm for answers in collection.answers)) == [
        "base", "sft", "sft_continued", "grpo", "zero_reward",
    ]  # fmt: skip
    assert [answers.dataset for answers in collection.answers[:2]] == ["phantom", "phantom_ct"]
    assert collection.in_domain == "phantom"


def test_a_files_name_tells_decoding_and_control(tmp_path):
    names = ["phantom.test.greedy", "phantom.test.greedy.blank", "a.b.validation.sampled"]
    evaluated_run(tmp_path, "sft", files={name: answered("sft", 0) for name in names})
    found = {(a.dataset, a.split, a.decoding, a.control) for a in collect(tmp_path).answers}
    assert found == {
        ("phantom", "test", "greedy", None),
        ("phantom", "test", "greedy", "blank"),
        ("a.b", "validation", "sampled", None),
    }


def test_of_runs_with_one_configuration_the_latest_is_taken_and_that_is_noted(tmp_path):
    later = evaluated_run(tmp_path, "sft")
    earlier = evaluated_run(tmp_path, "sft")
    row = read_manifest(earlier).row | {"finished_at": "2020-01-01T00:00:00.000000+00:00"}
    write_json(RunFolder(earlier).manifest, row)
    collection = collect(tmp_path)
    assert {answers.run.folder for answers in collection.answers} == {later}
    assert collection.notes == (f"sft, seed 0: of 2 runs of one configuration, the latest: {later}",)


def test_runs_of_one_arm_and_seed_that_differ_are_refused_with_both_folders(tmp_path):
    folders = [evaluated_run(tmp_path, "grpo", configuration=number) for number in (1, 2)]
    evaluated_run(tmp_path, "sft")
    with pytest.raises(TrackingError, match="grpo, seed 0") as caught:
        collect(tmp_path)
    assert all(str(folder) in str(caught.value) for folder in folders)
    assert "(configuration=1|2)" in str(caught.value)
    assert "move the others to another folder" in str(caught.value)
    assert "sft" not in str(caught.value)


def test_unfinished_runs_and_runs_without_predictions_are_left_aside(tmp_path):
    finished = evaluated_run(tmp_path, "sft")
    unfinished = evaluated_run(tmp_path, "grpo")
    write_json(RunFolder(unfinished).manifest, read_manifest(unfinished).row | {"status": "interrupted"})
    evaluated_run(tmp_path, "sft", configuration=1, files={})
    assert {answers.run.folder for answers in collect(tmp_path).answers} == {finished}


def test_a_broken_manifest_is_named_and_does_not_stop_the_report(tmp_path, caplog):
    whole, broken = evaluated_run(tmp_path, "sft"), evaluated_run(tmp_path, "grpo")
    RunFolder(broken).manifest.write_text("{")
    assert {answers.run.folder for answers in collect(tmp_path).answers} == {whole}
    assert str(broken) in caplog.text


def test_a_folder_without_evaluated_runs_says_what_to_do(tmp_path):
    with pytest.raises(TrackingError, match=r"no finished run below it has predictions.*src/eval.py runs="):
        collect(tmp_path)


def test_runs_of_two_datasets_are_refused(tmp_path):
    evaluated_run(tmp_path, "sft")
    evaluated_run(tmp_path, "grpo", dataset="bccd")
    with pytest.raises(TrackingError, match="several datasets"):
        collect(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda rows: rows[:-1], "1 questions were answered by one of them alone, such as phantom/test/00039"),
        (lambda rows: [replace(rows[0], prompt_hash="f" * 64), *rows[1:]], "1 questions have another prompt"),
        (lambda rows: [replace(rows[0], image_id="other"), *rows[1:]], "1 questions have another prompt, picture"),
        (lambda rows: [replace(row, contract="letters_v1") for row in rows], "contract think_answer_v1 against let"),
    ],
)
def test_arms_that_answered_something_else_are_refused_by_name(tmp_path, change, message):
    first = evaluated_run(tmp_path, "sft")
    second = evaluated_run(tmp_path, "grpo", files={"phantom.test.greedy": change(answered("grpo", 0))})
    with pytest.raises(TrackingError, match=re.escape(message)) as caught:
        collect(tmp_path)
    assert str(first) in str(caught.value)
    assert str(second) in str(caught.value)


def test_controls_may_have_other_pictures(tmp_path):
    run = evaluated_run(tmp_path, "sft")
    add_predictions(run, {"phantom.test.greedy.blank": answered("sft", 0, control="blank")})
    assert len(collect(tmp_path).answers) == 3


@pytest.mark.parametrize(
    ("name", "rows", "message"),
    [
        ("phantom.greedy", 1, "predictions are named"),
        ("phantom.test.greedy", 0, "holds no prediction"),
        ("phantom.test.greedy", 2, "answers a question more than once"),
    ],
)
def test_files_that_are_no_predictions_are_named(tmp_path, name, rows, message):
    run = evaluated_run(tmp_path, "sft", files={name: answered("sft", 0, n=1) * rows})
    with pytest.raises(TrackingError, match=message) as caught:
        collect(tmp_path)
    assert str(run) in str(caught.value)


def test_a_damaged_line_is_named(tmp_path):
    path = RunFolder(evaluated_run(tmp_path, "sft")).predictions / "phantom.test.greedy.jsonl"
    path.write_text(path.read_text() + "{\n")
    with pytest.raises(TrackingError, match=r"phantom.test.greedy.jsonl:41: not a prediction"):
        collect(tmp_path)


def test_a_whole_study_is_collected(tmp_path):
    assert len(collect(study(tmp_path)).answers) == 2 * (1 + 3 * 3)
