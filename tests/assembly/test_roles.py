"""Roles of published datasets: by official splits or a split file, under a policy, and never with a question twice."""

import json
import logging
from dataclasses import replace

import pytest
from composing import composed
from drawn_sets import write_pathmmu
from omegaconf import OmegaConf

from pathvlm_r1.assembly import load_samples, roles
from pathvlm_r1.assembly.datasets import read_dataset
from pathvlm_r1.assembly.readers import read_split
from pathvlm_r1.assembly.verified_sets import split_hashes
from pathvlm_r1.config import DataConfig
from pathvlm_r1.data.errors import DatasetError

TINY = 5 * 4


@pytest.fixture
def root(tmp_path):
    return write_pathmmu(tmp_path / "PathMMU", questions=4)


def dataset(root, name="pathmmu", **values):
    settings = composed("data", f"dataset={name}").copy()
    for key, value in {"root": str(root), **values}.items():
        OmegaConf.update(settings, f"dataset.{key}", value, merge=False)
    return DataConfig.checked(settings).dataset


def change(root, source, split, number, **fields):
    file = root / "data" / "data.json"
    content = json.loads(file.read_text())
    content[source][split][number] |= fields
    file.write_text(json.dumps(content))


def ids(samples):
    return [sample.sample_id for sample in samples]


def test_the_test_is_both_official_tests_and_a_role_without_a_split_says_what_to_do(root):
    samples = load_samples(dataset(root), "test")
    assert len(samples) == 2 * TINY
    assert {one.split("/")[1] for one in ids(samples)} == {"test", "test_tiny"}
    with pytest.raises(
        DatasetError, match=r"without a split for rl: .*task=split dataset=pathmmu .*dataset\.split_file"
    ):
        load_samples(dataset(root), "rl")


def test_under_stop_the_first_faults_are_listed_with_their_number_and_under_drop_counted(root, caplog):
    for number in (0, 2):
        change(root, "PubMed", "test", number, answer="Q")
    change(root, "PubMed", "test", 1, img="gone.png")
    with pytest.raises(DatasetError) as caught:
        load_samples(dataset(root), "test")
    message = str(caught.value)
    assert message.startswith("dataset=pathmmu, test: 2 records cannot be used (2 gold-not-an-option)\n")
    assert f"{root}/data/data.json PubMed/test/0: the answer 'Q' is none of A, B, C, D" in message
    assert message.endswith("dataset.policy=drop.")
    with caplog.at_level(logging.WARNING):
        samples = load_samples(dataset(root, policy="drop"), "test")
    assert len(samples) == 2 * TINY - 3
    assert "3 of 40 records left out: 2 gold-not-an-option, 1 image-missing" in caplog.text


def test_what_is_skipped_is_counted_under_stop_too_and_a_whole_folder_missing_is_an_error(root, caplog):
    change(root, "PubMed", "test", 1, img="gone.png")
    with caplog.at_level(logging.WARNING):
        assert len(load_samples(dataset(root), "test")) == 2 * TINY - 1
    assert "1 of 40 records left out: 1 image-missing; the first: " in caplog.text
    (root / "data" / "images").rename(root / "elsewhere")
    with pytest.raises(DatasetError, match=r"no question can be used; 40 records cannot be used \(40 image-missing\)"):
        load_samples(dataset(root), "test")


def test_a_question_in_the_splits_of_two_roles_is_an_error(root):
    file = root / "data" / "data.json"
    content = json.loads(file.read_text())
    content["Atlas"]["val"].append(content["Atlas"]["test"][3] | {"No": 50})
    file.write_text(json.dumps(content))
    with pytest.raises(DatasetError, match="Atlas/val/50 asks what Atlas/test/3 asks in another split"):
        load_samples(dataset(root), "validation")
    assert len(load_samples(dataset(root, policy="drop"), "validation")) == TINY


def split_file(tmp_path, **roles):
    path = tmp_path / "split.json"
    path.write_text(json.dumps({"roles": roles, "seed": 1}))
    return str(path)


def test_a_split_file_gives_each_role_its_records_in_its_order(root, tmp_path):
    listed = {"sft": ["PubMed/test/3", "EduContent/val/0"], "rl": ["PubMed/test_tiny/1"], "validation": [], "test": []}
    chosen = dataset(root, "pathmmu_paper", expected_records=24, split_file=split_file(tmp_path, **listed))
    assert {role: ids(load_samples(chosen, role)) for role in ("sft", "rl")} == {r: listed[r] for r in ("sft", "rl")}
    with pytest.raises(DatasetError, match="no question can be used"):
        load_samples(chosen, "test")
    change(root, "PubMed", "test", 3, answer="Q")
    with pytest.raises(DatasetError, match="1 records cannot be used"):
        load_samples(chosen, "sft")
    assert ids(load_samples(replace(chosen, policy="drop"), "sft")) == ["EduContent/val/0"], "and none in its place"
    assert ids(load_samples(chosen, "rl")) == listed["rl"], "the fault is of another role"


def test_a_question_under_two_ids_is_in_no_two_roles_of_a_split_file(root, tmp_path):
    file = root / "data" / "data.json"
    content = json.loads(file.read_text())
    content["Atlas"]["val"].append(content["Atlas"]["test"][3] | {"No": 50})
    file.write_text(json.dumps(content))
    roles = {"sft": ["Atlas/val/50", "Atlas/val/0"], "sealed_test": ["Atlas/test/3"]}
    chosen = dataset(root, split_file=split_file(tmp_path, **roles))
    with pytest.raises(DatasetError, match="Atlas/val/50 asks what Atlas/test/3 asks in another split"):
        load_samples(chosen, "sft")
    assert ids(load_samples(replace(chosen, policy="drop"), "sft")) == ["Atlas/val/0"]


@pytest.mark.parametrize(
    ("roles", "message"),
    [
        ({"sft": ["PubMed/test/99"]}, "1 of the 1 ids of sft are not in dataset=pathmmu, the first: PubMed/test/99"),
        ({"train": ["PubMed/test/1"]}, "no role sft; it has train"),
        ({"sft": ["PubMed/test/1"], "rl": ["PubMed/test/1"]}, "1 ids stand in it twice, the first: PubMed/test/1"),
        ({"sft": "PubMed/test/1"}, 'not {"roles": {role: [ids]}}'),
    ],
)
def test_a_split_file_that_does_not_fit_is_refused(root, tmp_path, roles, message):
    with pytest.raises(DatasetError) as caught:
        load_samples(dataset(root, split_file=split_file(tmp_path, **roles)), "sft")
    assert message in str(caught.value)


@pytest.mark.parametrize("values", [{}, {"expected_records": 3 * TINY}])
def test_a_split_is_read_once_for_the_hashes_of_all_roles(root, monkeypatch, values):
    read = []
    monkeypatch.setattr(roles, "read_split", lambda given, split: read.append(split) or read_split(given, split))
    chosen = dataset(root, **values)
    assert set(split_hashes(chosen)) == {"validation", "test"}
    assert sorted(read) == ["test", "test_tiny", "val"]


def test_another_number_of_records_than_expected_is_refused(root):
    chosen = dataset(root, "pathmmu_paper", splits={"sft": [], "rl": [], "validation": [], "test": ["test"]})
    with pytest.raises(DatasetError, match=r"24 records in val, test, test_tiny of PubMed, EduContent, and .*=5385"):
        load_samples(chosen, "test")
    assert len(load_samples(replace(chosen, expected_records=24), "test")) == 8


def test_all_splits_with_their_defects_for_those_who_verify(root):
    change(root, "PubMed", "val", 0, answer="Q")
    results = read_dataset(dataset(root))
    assert {split: (len(r.samples), len(r.defects)) for split, r in results.items()} == {
        "val": (TINY - 1, 1), "test": (TINY, 0), "test_tiny": (TINY, 0),
    }  # fmt: skip
    phantoms = composed("data", "dataset=phantom_ct")
    assert set(read_dataset(DataConfig.checked(phantoms).dataset)) == {"sft", "rl", "validation", "test"}
