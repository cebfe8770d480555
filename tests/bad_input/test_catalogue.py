"""Every case of the catalogue of bad data through the entry points: message, record, status, and no repair."""

import json
import shutil

import pytest
from bad_data import FAULTS, FILES, READ, TABLES, WARNINGS, laid_out, lines_of, state_of
from running import entry
from transformers import Qwen2_5_VLForConditionalGeneration

OF_LINES = sorted({fault.case for fault in (*FAULTS, *WARNINGS)} | set(READ))
ERRORS = [fault for fault in FAULTS if fault.action == "error"]


def name_of(fault) -> str:
    return f"{fault.case}-{fault.record}"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return laid_out(tmp_path_factory.mktemp("bad") / "files")


@pytest.fixture(scope="module")
def verification(root):
    """One verification of all cases that are lines of JSON: outcome, what it found, and the folder before and after."""
    out, before = root.parent / "defects.json", state_of(root)
    outcome = entry(
        "data", "task=verify", "dataset=jsonl", f"dataset.root={root}", lines_of(OF_LINES), f"out={out}", "workers=1"
    )
    return outcome, json.loads(out.read_text()), before, state_of(root)


def of_record(found, fault):
    record = f"{fault.case}/records.jsonl/{fault.record}"
    return [one for one in (*found["defects"], *found["warnings"]) if one["record"] == record]


def test_every_folder_is_a_case_and_every_item_is_in_the_index():
    in_tests_alone = {
        "12_in_two_splits", "17_half_a_file", "17_modality_key", "17_object_for_a_list", "18_semicolons_and_line_breaks"
    }  # fmt: skip
    assert {path.name for path in FILES.iterdir() if path.is_dir()} == {
        *OF_LINES, *(fault.case for fault in TABLES), *in_tests_alone,
    }  # fmt: skip
    rows = [
        line.split("|")[1] for line in (FILES.parent / "README.md").read_text().splitlines() if line.startswith("|")
    ]
    assert [int(item) for row in rows[2:] for item in row.split(",")] == list(range(1, 21))


@pytest.mark.parametrize("fault", [*FAULTS, *WARNINGS], ids=name_of)
def test_a_fault_is_named_with_its_record_and_what_to_do(verification, fault):
    (defect,) = [one for one in of_record(verification[1], fault) if one["defect"] == fault.defect]
    assert defect["action"] == fault.action
    assert fault.says in defect["message"]
    assert fault.to_do in f"{defect['message']} {defect['file']}"
    assert fault.case in defect["file"] or fault.case in defect["message"]


def test_nothing_but_the_faulty_records_is_lost_and_no_file_is_touched(verification):
    outcome, found, before, after = verification
    assert outcome.status == 1, outcome.text
    assert "Traceback" not in outcome.text
    assert {one["record"] for one in found["defects"]} == {
        f"{fault.case}/records.jsonl/{fault.record}" for fault in FAULTS
    }
    kept = {split: count for split, count in found["counts"]["kept_by_split"].items() if count == 0}
    assert kept == {}, "the sound record of every case is kept"
    assert before == after


@pytest.mark.parametrize(("typed", "status"), [((), 0), (("stop_at=warning",), 1), (("policy=drop",), 0)])
def test_a_warning_alone_stops_only_if_asked(root, typed, status):
    cases = lines_of([fault.case for fault in WARNINGS])
    outcome = entry("data", "task=verify", "dataset=jsonl", f"dataset.root={root}", cases, *typed)
    assert outcome.status == status, outcome.text
    assert "no record has a defect" in outcome.stdout


def test_dropping_ends_well_and_counts_the_same(root, verification, tmp_path):
    out = tmp_path / "defects.json"
    outcome = entry(
        "data", "task=verify", "dataset=jsonl", f"dataset.root={root}", lines_of(OF_LINES), f"out={out}", "policy=drop"
    )
    assert outcome.status == 0, outcome.text
    assert json.loads(out.read_text())["counts"] == verification[1]["counts"]


@pytest.mark.parametrize("fault", ERRORS, ids=name_of)
def test_an_error_ends_an_evaluation_and_a_training_before_a_model_is_loaded(root, tmp_path, monkeypatch, fault):
    def loaded(*_, **__):
        raise AssertionError("a model was loaded before the data were refused")

    monkeypatch.setattr(Qwen2_5_VLForConditionalGeneration, "from_pretrained", loaded)
    for name, role, *typed in (("eval", "test"), ("train", "sft", "stage=sft", "reward=open_answers", "logger=none")):
        outcome = entry(
            name, "dataset=jsonl", f"dataset.root={root}", lines_of([fault.case], role), f"output={tmp_path}/out",
            *typed,
        )  # fmt: skip
        assert outcome.status == 2, outcome.text
        assert outcome.stderr.startswith("error: ")
        assert "Traceback" not in outcome.text
        assert f"{fault.case}/records.jsonl/{fault.record}" in outcome.stderr
        assert fault.says in outcome.stderr
        assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def shown(root, case, tmp_path, *typed):
    out = tmp_path / "lines.jsonl"
    outcome = entry(
        "data", "dataset=jsonl", f"dataset.root={root}", lines_of([case], "test"), "format=jsonl", f"out={out}", *typed
    )
    assert outcome.status == 0, outcome.text
    return {line["id"].rpartition("/")[2]: line for line in map(json.loads, out.read_text().splitlines())}


@pytest.mark.parametrize("case", READ)
def test_what_only_looks_odd_is_read_as_it_is_meant(root, tmp_path, case):
    lines = shown(root, case, tmp_path)
    assert {name: (lines[name]["options"], lines[name]["answer"]) for name in READ[case]} == READ[case]


@pytest.mark.parametrize("case", sorted({fault.case for fault in FAULTS}))
def test_what_is_left_out_is_replaced_by_nothing(root, tmp_path, case):
    lines = shown(root, case, tmp_path, "dataset.policy=drop")
    faulty = {fault.record for fault in FAULTS if fault.case == case}
    assert not faulty & set(lines)
    assert set(lines) <= {"sound", "faulty"}
    assert lines["sound"]["question"] == f"Which pattern is sound in {case}?"


def test_a_question_in_two_splits_is_an_error_and_the_last_split_keeps_its_own(root, tmp_path):
    place = "12_in_two_splits"
    splits = f"dataset.splits={{sft: [{place}/records.jsonl], rl: [], validation: [], test: [{place}/test.jsonl]}}"
    out = tmp_path / "defects.json"
    outcome = entry("data", "task=verify", "dataset=jsonl", f"dataset.root={root}", splits, f"out={out}")
    (defect,) = json.loads(out.read_text())["defects"]
    assert outcome.status == 1
    assert (defect["record"], defect["defect"]) == (f"{place}/records.jsonl/faulty", "question-in-two-splits")
    assert "Leave it out of one of the splits" in defect["message"]
    refused = entry("eval", "dataset=jsonl", f"dataset.root={root}", splits, f"output={tmp_path}/out")
    assert refused.status == 2
    assert f"{place}/test.jsonl/copy asks what {place}/records.jsonl/faulty asks in another split" in refused.stderr


@pytest.mark.parametrize("fault", TABLES, ids=name_of)
def test_a_faulty_table_is_named_with_its_line(tmp_path, fault):
    folder = shutil.copytree(FILES / fault.case, tmp_path / fault.case)
    (folder / "images").mkdir()
    shutil.copy(FILES / "sound.png", folder / "images" / "sound.png")
    out, before = tmp_path / "defects.json", state_of(folder)
    splits = "dataset.splits={sft: [train], rl: [], validation: [], test: []}"
    outcome = entry("data", "task=verify", "dataset=pmc_vqa", f"dataset.root={folder}", splits, f"out={out}")
    found = json.loads(out.read_text())
    (defect,) = [one for one in (*found["defects"], *found["warnings"]) if one["defect"] == fault.defect]
    assert outcome.status == (fault.action != "warn"), outcome.text
    assert defect["record"] == fault.record
    assert fault.says in defect["message"]
    assert fault.to_do in defect["message"]
    assert state_of(folder) == before


def test_a_table_of_semicolons_and_line_breaks_is_read_whole(tmp_path):
    folder = shutil.copytree(FILES / "18_semicolons_and_line_breaks", tmp_path / "table")
    (folder / "images").mkdir()
    shutil.copy(FILES / "sound.png", folder / "images" / "sound.png")
    splits = "dataset.splits={sft: [], rl: [], validation: [], test: [train]}"
    out = tmp_path / "lines.jsonl"
    outcome = entry("data", "dataset=pmc_vqa", f"dataset.root={folder}", splits, "format=jsonl", f"out={out}")
    assert outcome.status == 0, outcome.text
    questions = [json.loads(line)["question"] for line in out.read_text().splitlines()]
    assert questions == ["Which is sound?", "Which; in\r\ntwo lines?"]


@pytest.mark.parametrize(
    ("case", "says"),
    [("17_object_for_a_list", "not a list of records"), ("17_half_a_file", "records.json:3: malformed JSON")],
)
def test_a_file_that_is_no_list_of_records_is_one_error(root, tmp_path, case, says):
    splits = f"dataset.splits={{sft: [], rl: [], validation: [], test: [{case}/records.json]}}"
    outcome = entry("data", "task=verify", "dataset=jsonl", f"dataset.root={root}", splits)
    assert outcome.status == 1, outcome.text
    refused = entry("eval", "dataset=jsonl", f"dataset.root={root}", splits, f"output={tmp_path}/out")
    assert refused.status == 2
    assert f"{case}/records.json" in refused.stderr
    assert says in refused.stderr


def test_a_record_with_modality_for_modality_type_is_kept_and_warned_of(root, tmp_path):
    out = tmp_path / "defects.json"
    outcome = entry(
        "data", "task=verify", "dataset=omnimedvqa", f"dataset.root={root}/17_modality_key", "dataset.sources=[Set]",
        f"out={out}",
    )  # fmt: skip
    assert outcome.status == 0, outcome.text
    found = json.loads(out.read_text())
    assert found["counts"]["kept"] == 2
    assert [(one["record"], one["defect"]) for one in found["warnings"]] == [("Set_2", "malformed-record")]
