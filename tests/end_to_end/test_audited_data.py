"""`src/data.py task=audit` as users meet it: a page, its numbers, and what the pretraining list has in common."""

import json

import pytest
from distinct_smears import draw_distinct_smears, typed
from PIL import Image
from running import entry


def test_a_mirrored_copy_and_pretraining_pictures_are_found_and_shown(tmp_path):
    root = draw_distinct_smears(tmp_path / "smears")
    pictures = root / "JPEGImages"
    first = Image.open(pictures / "BloodImage_00000.jpg")
    first.transpose(Image.Transpose.FLIP_LEFT_RIGHT).save(pictures / "BloodImage_00033.jpg", quality=75)
    (tmp_path / "list.txt").write_text(f"smears/JPEGImages/BloodImage_00002.jpg\n{'0' * 64}\nBloodImage_00003.jpg\n")
    out = tmp_path / "audit.html"
    more = (f"pretraining={tmp_path / 'list.txt'}", f"out={out}")
    outcome = entry("data", "task=audit", *typed(root), *more)
    assert outcome.status == 0, outcome.text
    record = json.loads(out.with_suffix(".json").read_text())
    near = {(one["left"], one["right"]): one for one in record["overlaps"] if one["key"] == "near" and one["count"]}
    pairs = [pair["files"] for one in near.values() for pair in one["pairs"]]
    mirrored = [str(pictures / f"BloodImage_{number}.jpg") for number in ("00000", "00033")]
    assert mirrored in pairs or mirrored[::-1] in pairs
    assert any(right == "pretraining" for _, right in near)
    assert "1 that were opened, 1 hashes, and 1 that are compared by name alone" in outcome.stdout
    assert record["floors"]["bccd"]["sentence"] in outcome.stdout
    assert out.read_text().count("<img") >= 4


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("against=[nowhere]", "against: nowhere is not a dataset; choose from bccd"),
        ("against=[bccd]", "against: bccd is read from a folder; type bccd:FOLDER"),
        ("against=[phantom]", "other datasets than the one chosen"),
        ("pretraining=none.txt", "pretraining=none.txt: cannot be read"),
        ("out=audit.txt", "out=audit.txt: a name that ends in .html"),
        ("folds=1", "folds=1: at least 2"),
    ],
)
def test_what_cannot_be_asked_of_an_audit_is_refused_before_a_picture_is_opened(tmp_path, monkeypatch, more, message):
    monkeypatch.chdir(tmp_path)
    outcome = entry("data", "task=audit", more)
    assert outcome.status == 2
    assert message in outcome.stderr
    assert "pictures" not in outcome.stdout
    assert list(tmp_path.iterdir()) == []
