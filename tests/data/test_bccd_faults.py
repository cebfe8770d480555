"""BCCD: faults of the folder and of the arguments, each with a message that says what to do."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from drawn_bccd import draw_bccd

from pathvlm_r1.data.bccd import load_bccd
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.sample import Sample


@pytest.fixture
def broken(tmp_path: Path) -> Path:
    """A drawn folder that a test may spoil."""
    return draw_bccd(tmp_path)


def load(root: Path, split: str = "sft", **changed: object) -> list[Sample]:
    settings = {"seed": 0, "style_shares": {"terse": 0.5, "complete": 0.5}, "rl_share": 0.5} | changed
    return load_bccd(root, split=split, **settings)


def test_a_missing_root_says_what_to_clone_and_which_key_to_set(tmp_path):
    for folder in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(
            DatasetError, match=r"Clone .*Shenggan/BCCD_Dataset and set dataset\.root to its inner BCCD"
        ):
            load(folder)


def test_faults_of_lists_pictures_and_annotations_are_listed_together(broken):
    (broken / "JPEGImages" / "BloodImage_00001.jpg").unlink()
    (broken / "JPEGImages" / "BloodImage_00002.jpg").write_text("version https://git-lfs.github.com/spec/v1\n")
    (broken / "Annotations" / "BloodImage_00003.xml").write_text("<annotation>\n</annotation>")
    lists = broken / "ImageSets" / "Main"
    with (lists / "train.txt").open("a") as train:
        train.write("BloodImage_00000\n")
    with (lists / "test.txt").open("a") as test:
        test.write("BloodImage_00005\n")
    (lists / "val.txt").write_text("\n")
    with pytest.raises(DatasetError) as caught:
        load(broken)
    message = str(caught.value)
    assert "6 faults" in message
    for expected in (
        r"BloodImage_00001\.jpg: no such file",
        r"BloodImage_00002\.jpg: a Git LFS pointer",
        r"BloodImage_00003\.xml: no object with a box",
        r"train\.txt:25: BloodImage_00000 is already listed at .*train\.txt:1",
        r"test\.txt:10: BloodImage_00005 is already listed at .*train\.txt:6",
        r"val\.txt: an empty list",
    ):
        assert re.search(expected, message), expected


def test_photographs_that_are_cut_off_are_refused_together_where_the_split_asks_about_them(broken):
    asked = {sample.images[0].path for sample in load(broken)}
    cut = sorted(asked)[:2]
    for path in cut:
        path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(DatasetError) as caught:
        load(broken)
    assert "2 faults" in str(caught.value)
    assert all(f"{path}: truncated" in str(caught.value) for path in cut)
    assert not asked & {sample.images[0].path for sample in load(broken, "validation")}


def test_an_answer_that_no_photograph_has_is_named_with_its_split(broken):
    for path in (broken / "Annotations").iterdir():
        path.write_text(path.read_text().replace("Platelets", "WBC"))
    with pytest.raises(DatasetError, match=r"split 'sft': no photograph has one platelet or two platelets or three"):
        load(broken)


def test_a_share_too_small_to_be_balanced_names_the_key(broken):
    with pytest.raises(DatasetError, match=r"split 'rl': no photograph has .* another dataset\.rl_share"):
        load(broken, "rl", rl_share=0.1)


def test_red_cell_counts_without_four_quartiles_are_refused(broken):
    for path in (broken / "Annotations").iterdir():
        path.write_text(path.read_text().replace("RBC", "WBC").replace("WBC", "RBC", 1))
    with pytest.raises(DatasetError, match="quartiles 1, 1, 1: too many are equal"):
        load(broken)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"split": "train"}, "split is 'train': choose one of sft, rl, validation, test"),
        ({"seed": -1}, "seed is -1: 0 or more"),
        ({"style_shares": {"terse": 0.4}}, "terse, partial, complete shares of 0 or more that sum to 1"),
        ({"style_shares": {"verbose": 1.0}}, "terse, partial, complete shares of 0 or more that sum to 1"),
        ({"style_shares": {"terse": 2.0, "partial": -1.0}}, "shares of 0 or more that sum to 1"),
        ({"rl_share": 0.0}, "rl_share is 0.0: between 0 and 1"),
        ({"rl_share": 1.0}, "rl_share is 1.0: between 0 and 1"),
    ],
)
def test_arguments_out_of_range_are_refused_before_the_folder_is_read(tmp_path, changed, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        load(tmp_path / "nowhere", **changed)
