"""`src/data.py task=verify` as users meet it: a table, JSON and a status; nothing is changed or replaced."""

import json

import pytest
from distinct_smears import draw_distinct_smears, typed
from drawn_tables import write_parquet, write_pathvqa
from PIL import Image
from running import entry

from pathvlm_r1.tracking import manifests_below

PHANTOM = ("dataset.splits={sft: 6, rl: 4, validation: 4, test: 6}", "dataset.image_size=28")


@pytest.fixture
def smears(tmp_path):
    """A sound folder of drawn blood smears."""
    return draw_distinct_smears(tmp_path / "smears")


def verification(root, tmp_path, *more):
    """Status, text and JSON of a verification of a BCCD folder."""
    out = tmp_path / "defects.json"
    outcome = entry("data", "task=verify", *typed(root), f"out={out}", *more)
    return outcome, json.loads(out.read_text())


def test_a_sound_dataset_has_status_0_and_the_same_hash_every_time(smears, tmp_path):
    outcome, record = verification(smears, tmp_path)
    assert outcome.status == 0, outcome.text
    assert "no record has a defect" in outcome.stdout
    assert record["defects"] == []
    assert record["counts"]["kept"] == record["counts"]["records"] > 40
    assert verification(smears, tmp_path)[1] == record


def test_a_truncated_picture_stops_or_is_dropped_with_all_its_questions(smears, tmp_path):
    sound = verification(smears, tmp_path)[1]
    path = smears / "JPEGImages" / "BloodImage_00005.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    stopped, record = verification(smears, tmp_path)
    assert stopped.status == 1
    assert "BloodImage_00005" in stopped.stdout
    assert {(d["defect"], d["action"], d["file"]) for d in record["defects"]} == {("image-damaged", "skip", str(path))}
    assert all(defect["record"].startswith("BloodImage_00005/") for defect in record["defects"])
    dropped, after = verification(smears, tmp_path, "policy=drop")
    assert dropped.status == 0
    assert after["defects"] == record["defects"]
    assert after["counts"]["kept"] == sound["counts"]["kept"] - len(record["defects"]), "nothing takes their place"
    assert after["hash"] == record["hash"] != sound["hash"]


def test_a_split_or_a_role_of_which_nothing_is_left_is_an_error_under_any_policy(tmp_path):
    root = write_pathvqa(tmp_path / "set")
    page = {"image": {"bytes": b"<html>", "path": "a.jpg"}, "question": "is it?", "answer": "no"}
    write_parquet(root / "data" / "test-00000-of-00001-0123abcd.parquet", [page])
    typed_set = ("task=verify", "dataset=pathvqa", f"dataset.root={root}")
    for policy in ("stop", "drop"):
        outcome = entry("data", *typed_set, f"policy={policy}")
        assert outcome.status == 1
        assert outcome.stdout.count("error: nothing is left of split test of dataset=pathvqa: mend") == 1
    write_pathvqa(root)
    assert entry("data", *typed_set, "policy=drop").status == 0
    file = tmp_path / "split.json"
    file.write_text(json.dumps({"roles": {"train_sft": ["gone"], "development": []}}))
    outcome = entry("data", *typed_set, "policy=drop", f"dataset.split_file={file}")
    assert outcome.status == 1
    assert "nothing is left of role train_sft of dataset=pathvqa" in outcome.stdout
    file.write_text("[]")
    assert entry("data", *typed_set, f"dataset.split_file={file}").status == 2


def test_a_set_of_which_nothing_is_left_is_not_divided(smears, tmp_path):
    (smears / "JPEGImages" / "BloodImage_00007.jpg").unlink()
    typed_set = (*typed(smears), "policy=drop")
    outcome = entry("data", "task=verify", *typed_set)
    assert outcome.status == 1
    assert "error: nothing is left of any split of dataset=bccd" in outcome.stdout
    divided = entry("data", "task=split", *typed_set, f"out={tmp_path / 'split.json'}")
    assert divided.status == 2
    assert "dataset=bccd: no question is left to divide" in divided.stderr
    assert not (tmp_path / "split.json").exists()


def test_a_folder_that_cannot_be_read_is_a_defect_of_the_dataset(smears, tmp_path):
    (smears / "JPEGImages" / "BloodImage_00007.jpg").unlink()
    (smears / "Annotations" / "BloodImage_00008.xml").unlink()
    outcome, record = verification(smears, tmp_path)
    assert outcome.status == 1
    (defect,) = record["defects"]
    assert all(name in defect["message"] for name in ("BloodImage_00007.jpg", "BloodImage_00008.xml", "2 faults"))


def test_a_picture_that_two_splits_show_is_warned_of(smears, tmp_path):
    pictures = smears / "JPEGImages"
    (pictures / "BloodImage_00040.jpg").write_bytes((pictures / "BloodImage_00001.jpg").read_bytes())
    outcome, record = verification(smears, tmp_path)
    assert {warning["defect"] for warning in record["warnings"]} == {"image-of-two-names", "image-in-two-splits"}
    assert {defect["defect"] for defect in record["defects"]} <= {"question-in-two-splits"}
    assert outcome.status == bool(record["defects"]), outcome.text


def test_stopping_at_warnings_is_refused_beside_a_policy_that_never_stops():
    outcome = entry("data", "task=verify", "policy=drop", "stop_at=warning")
    assert outcome.status == 2
    assert "stop_at=warning: goes with policy=stop" in outcome.stderr


def test_phantoms_are_verified_too(tmp_path):
    outcome = entry("data", "task=verify", *PHANTOM)
    assert outcome.status == 0, outcome.text
    assert "20 records, 20 pictures" in outcome.stdout
    assert list(tmp_path.iterdir()) == []


def test_a_task_of_another_script_is_refused_with_those_that_there_are():
    for name, task, others in (("eval", "verify", "rl_readiness"), ("data", "rescore", "verify")):
        outcome = entry(name, f"task={task}")
        assert outcome.status == 2
        assert f"task={task}: another script's task" in outcome.stderr
        assert others in outcome.stderr


def test_what_out_cannot_be_is_refused_before_a_picture_is_opened(smears, tmp_path):
    outcome = entry("data", "task=verify", *typed(smears), f"out={tmp_path}")
    assert outcome.status == 2
    assert "is a folder; name a file in it" in outcome.stderr
    assert "pictures" not in outcome.stdout


def test_a_run_carries_the_hash_of_the_verified_split_and_is_refused_once_that_changed(smears, tmp_path):
    record = verification(smears, tmp_path)[1]
    typed_run = (*typed(smears), f"verified={tmp_path / 'defects.json'}", f"output={tmp_path / 'runs'}", "logger=none")
    trained = entry("train", "stage=sft", "trainer.max_steps=1", *typed_run)
    assert trained.status == 0, trained.text
    ((_, manifest),) = manifests_below(tmp_path / "runs")
    assert manifest.data.hash == record["splits"]["sft"]
    for path in sorted((smears / "JPEGImages").iterdir()):
        Image.open(path).transpose(Image.Transpose.FLIP_TOP_BOTTOM).save(path)
    refused = entry("train", "stage=sft", *typed_run)
    assert refused.status == 2
    assert "has changed since, or is read with other settings" in refused.stderr
    assert "python src/data.py task=verify dataset=bccd out=" in refused.stderr
    assert len(list(manifests_below(tmp_path / "runs"))) == 1


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "cannot be read as JSON"),
        ("[]", "not a file of src/data.py task=verify"),
        ('{"dataset": "phantom", "splits": {}}', "of dataset=phantom, not of bccd"),
        ('{"dataset": "bccd", "splits": {}}', "split sft of dataset=bccd could not be read then"),
    ],
)
def test_a_file_that_verifies_nothing_of_this_data_is_refused(smears, tmp_path, content, message):
    path = tmp_path / "record.json"
    if content is not None:
        path.write_text(content)
    outcome = entry("train", "stage=sft", *typed(smears), f"verified={path}", f"output={tmp_path / 'runs'}")
    assert outcome.status == 2
    assert message in outcome.stderr
