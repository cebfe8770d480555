"""MedXpertQA: several pictures in their order, and the choices in the question taken out of it."""

import json

import pytest
from drawn_tables import medxpertqa_record, write_medxpertqa

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.published import read_medxpertqa


def read(root, split="test"):
    return read_medxpertqa(root, split=split, path_map={})


def rewrite(root, *records):
    lines = [record if isinstance(record, str) else json.dumps(record) for record in records]
    (root / "MM" / "test.jsonl").write_text("\n".join(lines))


@pytest.fixture
def root(tmp_path):
    return write_medxpertqa(tmp_path)


def test_all_pictures_stand_in_their_order(root):
    samples = read(root).samples
    assert [len(sample.images) for sample in samples] == [2, 3, 4, 5, 6]
    assert [image.path.name for image in samples[1].images] == ["MM-1-a.jpeg", "MM-1-b.JPG", "MM-1-c.jpeg"]
    assert len({sample.image_id for sample in samples}) == 5


def test_the_choices_are_options_alone_and_that_is_counted(root):
    result = read(root)
    assert result.samples[3].question == "Which fits images A and B, number 3?"
    assert result.samples[3].options == ("Lupus", "Gout", "Sepsis (late)", "Rickets", "None")
    assert result.samples[3].answer == "D"
    assert {(d.defect, d.action) for d in result.defects} == {(DefectKind.CHOICES_IN_QUESTION, "warn")}
    assert len(result.defects) == 5


def test_the_types_of_the_authors_repository(root):
    hub = medxpertqa_record(2, 4)
    theirs = hub | {
        "options": [{"letter": letter, "content": text} for letter, text in hub["options"].items()],
        "label": [hub["label"]], "images": [{"image_path": name} for name in hub["images"]],
    }  # fmt: skip
    expected = read(root).samples[2]
    rewrite(root, theirs)
    assert read(root).samples == [expected]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"question": "Which? Answer Choices: (A) Lupus (B) Other"}, DefectKind.CHOICES_IN_QUESTION),
        ({"images": []}, DefectKind.IMAGE_COUNT),
        ({"images": ["MM-0-a.jpeg", "MM-0-b.jpg"]}, DefectKind.IMAGE_NAME_CASE),
        ({"images": "MM-0-a.jpeg"}, DefectKind.MALFORMED_RECORD),
        ({"label": "F"}, DefectKind.GOLD_NOT_AN_OPTION),
        ({"label": ["A", "B"]}, DefectKind.GOLD_NOT_AN_OPTION),
    ],
)
def test_a_faulty_record_is_a_defect_of_its_own(root, change, kind):
    rewrite(root, medxpertqa_record(0, 2) | change, medxpertqa_record(1, 3))
    result = read(root)
    assert [(d.record, d.defect) for d in result.defects if d.action != "warn"] == [("MM-0", kind)]
    assert [sample.sample_id for sample in result.samples] == ["MM-1"]


def test_a_half_last_line_is_named_and_the_others_are_read(root):
    rewrite(root, medxpertqa_record(0, 2), '{"id": "MM-1", "quest')
    result = read(root)
    assert [(d.record, d.defect) for d in result.defects if d.action == "error"] == [
        ("test:2", DefectKind.MALFORMED_FILE)
    ]
    assert len(result.samples) == 1


def test_another_folder_says_what_to_fetch(tmp_path):
    with pytest.raises(DatasetError, match=r"no MedXpertQA folder \(MM/test\.jsonl is missing\)"):
        read(tmp_path / "nowhere")
