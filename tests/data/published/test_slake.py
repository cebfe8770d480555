"""SLAKE: languages, equal base names, closed questions, and the older name of its validation file."""

import json

import pytest
from drawn_tables import write_slake

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.published import read_slake


def read(root, split="test", languages=("en",)):
    return read_slake(root, split=split, languages=languages, path_map={})


def test_english_alone_unless_chinese_is_asked_for(tmp_path):
    write_slake(tmp_path)
    assert [s.sample_id for s in read(tmp_path).samples] == ["test/200", "test/201", "test/204", "test/205"]
    assert [s.sample_id for s in read(tmp_path, languages=("zh",)).samples] == ["test/202", "test/203"]
    both = read(tmp_path, languages=("en", "zh")).samples
    assert len(both) == 6
    assert len({sample.image_id for sample in both}) == 3, "all pictures have one base name"


def test_yes_and_no_in_both_languages_close_a_question_and_other_answers_leave_it_open(tmp_path):
    samples = {s.question: s for s in read(write_slake(tmp_path), languages=("en", "zh")).samples}
    assert (samples["Is it a CT?"].options, samples["Is it a CT?"].answer) == (("yes", "no"), "A")
    assert (samples["是CT吗?"].options, samples["是CT吗?"].answer) == (("yes", "no"), "A")
    assert samples["Is it an MRI?"].answer == "B"
    assert samples["Left or right?"].options == ("left",)
    assert samples["Which organ?"].question_type == "OPEN Organ"


def test_the_older_name_of_the_validation_file(tmp_path):
    assert len(read(write_slake(tmp_path, "validate.json"), "validation").samples) == 4


def test_faults_have_their_record_and_a_wrong_folder_says_what_to_fetch(tmp_path):
    write_slake(tmp_path)
    records = json.loads((tmp_path / "test.json").read_text())
    records[0] |= {"answer": ""}
    records[1] |= {"img_name": "xmlab100/Source.jpg"}
    records[4] = "Left or right?"
    (tmp_path / "test.json").write_text(json.dumps(records))
    result = read(tmp_path)
    assert [(d.record, d.defect, d.action) for d in result.defects] == [
        ("test/200", DefectKind.MALFORMED_RECORD, "error"),
        ("test/201", DefectKind.IMAGE_NAME_CASE, "skip"),
        ("test/#4", DefectKind.MALFORMED_RECORD, "error"),
    ]
    assert len(result.samples) == 1
    with pytest.raises(DatasetError, match=r"no SLAKE folder \(test\.json is missing\).*BoKelvin/SLAKE"):
        read(tmp_path / "nowhere")
    (tmp_path / "test.json").write_text("{}")
    with pytest.raises(DatasetError, match="not a list of records"):
        read(tmp_path)
