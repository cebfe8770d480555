"""`src/data.py task=split` as users meet it: a file of roles that share no picture, the same from the same seed."""

import json

import pytest
from distinct_smears import draw_distinct_smears, typed
from PIL import Image
from running import entry

ROLES = {"train_sft", "train_rl", "validation", "development", "sealed_test"}


@pytest.fixture
def smears(tmp_path):
    """Drawn blood smears, of which the first of the test list is a mirrored copy of the first of the train list."""
    root = draw_distinct_smears(tmp_path / "smears")
    first = Image.open(root / "JPEGImages" / "BloodImage_00000.jpg")
    mirrored = first.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    mirrored.save(root / "JPEGImages" / "BloodImage_00033.jpg", quality=70)
    return root


def split(root, tmp_path, *more, name="split.json"):
    out = tmp_path / name
    outcome = entry("data", "task=split", *typed(root), f"out={out}", *more)
    return outcome, json.loads(out.read_text()) if out.exists() else None


def test_roles_share_no_picture_and_none_that_looks_alike(smears, tmp_path):
    outcome, record = split(smears, tmp_path, "nested={sft: [10, 20, 500], rl: []}")
    assert outcome.status == 0, outcome.text
    assert set(record["roles"]) == ROLES
    image_roles = {}
    for role, ids in record["roles"].items():
        for name in ids:
            image = name.partition("/")[0].replace("00033", "00000")  # the mirrored copy
            image_roles.setdefault(image, set()).add(role)
    assert all(len(roles) == 1 for roles in image_roles.values())
    assert [len(record["nested"]["sft"][size]) for size in ("10", "20")] == [10, 20]
    assert set(record["nested"]["sft"]["10"]) < set(record["nested"]["sft"]["20"]) <= set(record["roles"]["train_sft"])
    assert "no nested subset of 500" in outcome.stdout
    without_near = split(smears, tmp_path, "keys=[pixels]", name="exact.json")[1]
    assert without_near["components"] == record["components"] + 1


def test_the_file_follows_from_seed_and_data_and_exact_numbers_are_kept(smears, tmp_path):
    sizes = "sizes={train_sft: 40, train_rl: 10, sealed_test: 16}"
    first, again, other = (
        split(smears, tmp_path, sizes, f"seed={seed}", name=f"{place}.json")[1] for place, seed in enumerate((1, 1, 2))
    )
    assert first == again
    assert first["roles"] != other["roles"]
    assert first["data_hash"] == other["data_hash"]
    assert {role: len(ids) for role, ids in first["roles"].items() if ids} == {
        "train_sft": 40, "train_rl": 10, "validation": 10, "development": 5, "sealed_test": 16,
    }  # fmt: skip


def test_a_defect_stops_or_the_record_is_left_out_and_named(smears, tmp_path):
    path = smears / "JPEGImages" / "BloodImage_00005.jpg"
    path.write_bytes(path.read_bytes()[:-300])
    stopped, record = split(smears, tmp_path)
    assert (stopped.status, record) == (1, None)
    assert "image-damaged" in stopped.stdout
    dropped, record = split(smears, tmp_path, "policy=drop")
    assert dropped.status == 0
    assert record["dropped"]
    assert all(name.startswith("BloodImage_00005/") for name in record["dropped"])
    assert not {name for ids in record["roles"].values() for name in ids} & set(record["dropped"])


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ("sizes.train_sft=5000", "sizes ask for"),
        ("sizes.train_sft=2.5", "sizes.train_sft=2.5: 0 or more: a whole number of questions"),
        ("keys=[name, colour]", "keys=[name, colour]: each once, of name, content, pixels, near, case"),
        ("keys=[case]", "case_pattern=null: goes with case among the keys"),
        ("near_threshold=200", "near_threshold=200: from 0 to 127 bits"),
    ],
)
def test_what_cannot_be_asked_of_a_split_is_refused(tmp_path, more, message):
    outcome = entry("data", "task=split", "dataset.splits={sft: 2, rl: 1, validation: 1, test: 1}", more)
    assert outcome.status == 2
    assert message in outcome.stderr
    assert not (tmp_path / "split.json").exists()
