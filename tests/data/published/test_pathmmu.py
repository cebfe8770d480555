"""PathMMU in its published form: every record once, whole options, and each fault with its record."""

import json

import pytest
from drawn_sets import PATTERNS, write_pathmmu

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.published import PATHMMU_SOURCES, PATHMMU_SPLITS, read_pathmmu


@pytest.fixture
def root(tmp_path):
    return write_pathmmu(tmp_path / "PathMMU", questions=6)


def read(root, split="test", sources=PATHMMU_SOURCES, **changes):
    return read_pathmmu(root, split=split, sources=sources, path_map={}, **changes)


def change(root, **fields):
    """Change the first PubMed record of test; a field of None is taken out."""
    file = root / "data" / "data.json"
    content = json.loads(file.read_text())
    record = content["PubMed"]["test"][0]
    content["PubMed"]["test"][0] = {key: value for key, value in (record | fields).items() if value is not ...}
    file.write_text(json.dumps(content))


def test_every_record_of_every_source_and_split_is_read_once(root):
    results = {split: read(root, split) for split in PATHMMU_SPLITS}
    assert [len(result.samples) for result in results.values()] == [30, 30, 30]
    assert not any(result.defects for result in results.values())
    ids = [sample.sample_id for result in results.values() for sample in result.samples]
    assert len(set(ids)) == len(ids)
    assert ids[0] == "PubMed/val/0"


def test_a_record_becomes_the_sample_that_it_describes(root):
    sample = read(root, name="mine").samples[1]
    assert (sample.sample_id, sample.dataset, sample.question_type) == ("PubMed/test/1", "mine", "PubMed")
    assert sample.options == PATTERNS[:4]
    assert sample.option(sample.answer) == "Nested (Zellballen)"
    assert sample.rationale == "The cells lie in a pattern that is called nested (zellballen)."
    assert sample.images[0].load().size == (56, 56)


def test_questions_on_one_picture_share_its_id_and_sources_differ_in_options(root):
    samples = read(root).samples
    assert samples[0].image_id == samples[1].image_id != samples[2].image_id
    assert {len(sample.options) for sample in samples if sample.question_type == "Atlas"} == {5}
    assert all(sample.question_type == "Atlas" for sample in read(root, sources=["Atlas"]).samples)


def test_the_folder_data_itself_is_a_root_too(root):
    assert [s.sample_id for s in read(root / "data").samples] == [s.sample_id for s in read(root).samples]


@pytest.mark.parametrize(
    ("fields", "kind", "action"),
    [
        ({"answer": "C) Whorled"}, DefectKind.GOLD_CONTRADICTORY, "error"),
        ({"answer": "G"}, DefectKind.GOLD_NOT_AN_OPTION, "error"),
        ({"answer": ...}, DefectKind.GOLD_MISSING, "error"),
        ({"options": []}, DefectKind.OPTIONS_MISSING, "error"),
        ({"options": "A) x"}, DefectKind.MALFORMED_RECORD, "error"),
        ({"options": ["A) x", "B) X."]}, DefectKind.OPTIONS_ALIKE, "skip"),
        ({"question": 3}, DefectKind.MALFORMED_RECORD, "error"),
        ({"question": "What of <|image_pad|>?"}, DefectKind.IMAGE_TOKEN_IN_TEXT, "error"),
        ({"question": "How does it differ from the previous image?"}, DefectKind.OTHER_IMAGE, "skip"),
        ({"question": "What is the difference between Figures A and B?"}, DefectKind.OTHER_IMAGE, "skip"),
        ({"img": "gone.jpg"}, DefectKind.IMAGE_MISSING, "skip"),
        ({"img": ...}, DefectKind.MALFORMED_RECORD, "error"),
        ({"No": 1}, DefectKind.DUPLICATE_ID, "error"),
    ],
)  # fmt: skip
def test_a_faulty_record_is_a_defect_of_its_own_and_the_others_are_read(root, fields, kind, action):
    change(root, **fields)
    result = read(root)
    (defect,) = result.defects
    assert (defect.defect, defect.action) == (kind, action)
    assert defect.record == ("PubMed/test/1" if kind is DefectKind.DUPLICATE_ID else "PubMed/test/0")
    assert defect.file == str(root / "data" / "data.json")
    assert len(result.samples) == 29


def test_the_same_question_twice_is_counted_and_asked_once(root):
    file = root / "data" / "data.json"
    content = json.loads(file.read_text())
    content["PubMed"]["test"].append(content["PubMed"]["test"][2] | {"No": 99})
    file.write_text(json.dumps(content))
    (defect,) = read(root).defects
    assert (defect.record, defect.defect, defect.action) == (
        "PubMed/test/99", DefectKind.DUPLICATE_QUESTION, "skip",
    )  # fmt: skip
    assert "PubMed/test/2 asks" in defect.message


def test_a_folder_or_file_that_is_not_pathmmu_says_what_to_fetch(root, tmp_path):
    with pytest.raises(DatasetError, match=r"no PathMMU folder .*jamessyx/PathMMU.*dataset\.root"):
        read(tmp_path / "nowhere")
    with pytest.raises(DatasetError, match="no source Tcga; it has PubMed, EduContent"):
        read(root, sources=["Tcga"])
    with pytest.raises(DatasetError, match="PubMed has no list of split train; it has val, test, test_tiny"):
        read(root, "train")
    (root / "data" / "data.json").write_text('{"PubMed": [')
    with pytest.raises(DatasetError, match=r"data\.json:1: malformed JSON"):
        read(root)
