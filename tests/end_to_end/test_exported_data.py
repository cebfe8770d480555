"""`src/data.py task=export` as users meet it: what is written is trained on here again, and nothing is written over."""

import json

import pytest
from drawn_sets import write_pathmmu
from drawn_tables import write_pathvqa
from running import composed, entry

from pathvlm_r1.assembly import load_samples
from pathvlm_r1.config import ExportConfig

READERS = {
    "llama_factory": "llama_factory",
    "trl": "trl",
    "easyr1": "parquet",
    "verl": "parquet",
    "lmms_eval": "parquet",
}


def content(sample):
    pixels = [image.load().tobytes() for image in sample.images]
    return sample.question_type, sample.question, sample.options, sample.answer, sample.rationale, pixels


def samples_of(*typed, split):
    settings = composed("data", "task=export", *typed, "target=trl", f"split={split}", "out=unused")
    return load_samples(ExportConfig.checked(settings).dataset, split)


def reading(outcome):
    """What the command says that the export is read with."""
    (line,) = [line for line in outcome.stdout.splitlines() if "read here with" in line]
    dataset, root, splits = line.partition("read here with ")[2].split(" ", 2)
    return dataset, root, splits.strip("'")


@pytest.mark.parametrize("target", READERS)
def test_a_published_set_is_exported_and_read_again_as_the_command_says(tmp_path, target):
    write_pathvqa(tmp_path / "set")
    given = ("dataset=pathvqa", f"dataset.root={tmp_path / 'set'}")
    outcome = entry("data", "task=export", *given, f"target={target}", "split=test", f"out={tmp_path / 'out'}")
    assert outcome.status == 0, outcome.text
    typed = reading(outcome)
    assert typed[0] == f"dataset={READERS[target]}"
    exported, original = samples_of(*typed, split="test"), samples_of(*given, split="test")
    assert list(map(content, exported)) == list(map(content, original))
    assert {len(one.options) for one in exported} == {1, 2}, "open and closed ones"


def test_splits_go_into_one_folder_one_after_the_other_and_none_is_written_over(tmp_path):
    write_pathmmu(tmp_path / "set", questions=2)
    given = ("dataset=pathmmu", f"dataset.root={tmp_path / 'set'}", f"out={tmp_path / 'out'}", "target=llama_factory")
    for split in ("validation", "test"):
        assert entry("data", "task=export", *given, f"split={split}").status == 0
    assert set(json.loads((tmp_path / "out" / "dataset_info.json").read_text())) == {"validation", "test"}
    before = (tmp_path / "out" / "test.json").read_bytes()
    outcome = entry("data", "task=export", *given, "split=test", "n=1")
    assert outcome.status == 2
    assert "has test already, in test.json; name another folder" in outcome.stderr
    assert (tmp_path / "out" / "test.json").read_bytes() == before


def test_what_cannot_be_exported_stops_before_anything_is_written_or_is_left_out_and_counted(tmp_path):
    write_pathmmu(tmp_path / "set", questions=2)
    path = tmp_path / "set" / "data" / "data.json"
    content = json.loads(path.read_text())
    content["PubMed"]["val"][0]["question"] = "Which <image> is it?"
    path.write_text(json.dumps(content))
    given = ("task=export", "dataset=pathmmu", f"dataset.root={tmp_path / 'set'}", "split=validation", "target=easyr1")
    outcome = entry("data", *given, f"out={tmp_path / 'out'}")
    assert outcome.status == 2
    assert "1 of 10 records would not be read back as they are" in outcome.stderr
    assert "PubMed/val/0: 2 marks <image> and 1 pictures" in outcome.stderr
    assert list((tmp_path / "out").iterdir()) == []
    dropped = entry("data", *given, f"out={tmp_path / 'out'}", "policy=drop")
    assert dropped.status == 0, dropped.text
    assert "validation.parquet: " in dropped.stdout
    assert "left out PubMed/val/0" in dropped.stdout


def test_a_damaged_picture_stops_and_a_question_on_two_copies_of_one_is_asked_once(tmp_path):
    rows = [{"id": n, "image": f"{n}.png", "problem": "Which?\nA) x\nB) y", "solution": "A"} for n in range(3)]
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "test.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    write_pathmmu(tmp_path / "other", questions=1)
    picture = next((tmp_path / "other").rglob("*.png")).read_bytes()
    for number in range(3):
        (tmp_path / "set" / f"{number}.png").write_bytes(picture)
    damaged = picture[:60] + bytes(20) + picture[80:]  # between its ends, which are looked at when records are read
    (tmp_path / "set" / "2.png").write_bytes(damaged)
    given = ("task=export", "dataset=jsonl", f"dataset.root={tmp_path / 'set'}", "split=test", "target=llama_factory")
    outcome = entry("data", *given, f"out={tmp_path / 'out'}")
    assert outcome.status == 2
    assert "test.jsonl/2: " in outcome.stderr
    assert "2.png: truncated, corrupt" in outcome.stderr
    assert not (tmp_path / "out" / "test.json").exists()
    dropped = entry("data", *given, f"out={tmp_path / 'out'}", "policy=drop")
    assert dropped.status == 0
    assert "test.json: 1 questions" in dropped.stdout
    assert "test.jsonl/1: asks what test.jsonl/0 asks of the same picture, in another file" in dropped.stdout
    assert "2 records left out, nothing takes their place" in dropped.stdout


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (("target=csv",), "target=csv: one of llama_factory, trl, easyr1, verl, lmms_eval"),
        (("n=0",), "n=0: at least 1"),
        (("split=train",), "split=train: one of sft, rl, validation, test"),
    ],
)
def test_what_an_export_cannot_be_asked_is_refused(tmp_path, typed, message):
    settings = ("task=export", "target=trl", "split=test", f"out={tmp_path / 'out'}")
    outcome = entry("data", *settings, *typed)
    assert outcome.status == 2
    assert message in outcome.stderr
    assert not (tmp_path / "out").exists()
