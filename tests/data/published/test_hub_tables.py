"""PathVQA and VQA-RAD: rows become questions, equal pictures are one, and a broken file or row is named."""

import pytest
from drawn_tables import hub_rows, jpeg, write_parquet, write_pathvqa

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.published import read_pathvqa, read_vqa_rad


def test_rows_of_all_files_become_closed_and_open_questions_in_order(tmp_path):
    result = read_pathvqa(write_pathvqa(tmp_path), split="train")
    assert not result.defects
    assert [sample.sample_id for sample in result.samples] == [f"train/{row}" for row in range(16)]
    first, second, third, fourth = result.samples[:4]
    assert (first.question, first.options, first.answer) == ("is fibrosis present?", ("yes", "no"), "B")
    assert (second.is_open, second.options) == (True, ("normal tissue",))
    assert (third.options, third.answer, third.question_type) == (("yes", "no"), "A", "yes/no")
    assert (fourth.options, fourth.question_type) == (("in the stroma",), "open")


def test_rows_on_one_picture_share_its_id_and_its_bytes(tmp_path):
    samples = read_pathvqa(write_pathvqa(tmp_path), split="train").samples
    assert samples[0].image_id == samples[1].image_id != samples[2].image_id
    assert samples[0].images[0] is samples[1].images[0]
    ids = {s: {one.image_id for one in read_pathvqa(tmp_path, split=s).samples} for s in ("train", "test")}
    assert not ids["train"] & ids["test"]


def test_bytes_in_a_table_decode_as_the_same_bytes_in_a_file(tmp_path):
    (tmp_path / "a.jpg").write_bytes(jpeg(0))
    sample = read_vqa_rad(write_pathvqa(tmp_path, ["train", "test"]), split="train", name="rad").samples[0]
    assert sample.images[0].load().tobytes() == FileImage(tmp_path / "a.jpg").load().tobytes()
    assert sample.dataset == "rad"
    assert "\\xff" not in repr(sample), "a picture in a message would hide it"


@pytest.mark.parametrize(
    ("field", "value", "kind"),
    [
        ("image", {"bytes": b"", "path": None}, DefectKind.IMAGE_MISSING),
        ("answer", " ", DefectKind.MALFORMED_RECORD),
        ("question", "of <|vision_start|>?", DefectKind.IMAGE_TOKEN_IN_TEXT),
    ],
)
def test_a_faulty_row_is_named_by_file_and_row_and_the_others_are_read(tmp_path, field, value, kind):
    rows = hub_rows(0, 8)
    rows[5][field] = value
    file = write_parquet(tmp_path / "test-00000-of-00001.parquet", rows)
    result = read_pathvqa(tmp_path, split="test")
    (defect,) = result.defects
    assert (defect.record, defect.file, defect.defect) == ("test/5", f"{file}:5", kind)
    assert len(result.samples) == 7


def test_what_is_not_there_or_cut_off_or_another_table_says_what_to_do(tmp_path):
    with pytest.raises(DatasetError, match=r"no train-\*\.parquet.*flaviagiammarino/path-vqa"):
        read_pathvqa(tmp_path, split="train")
    (tmp_path / "qas").mkdir()
    (tmp_path / "qas" / "train_qa.pkl").write_bytes(b"cos\nsystem\n(S'true'\ntR.")
    with pytest.raises(DatasetError, match="a pickle can run any code"):
        read_pathvqa(tmp_path, split="train")
    file = write_parquet(tmp_path / "train-0.parquet", hub_rows(0, 8))
    file.write_bytes(file.read_bytes()[:-50])
    with pytest.raises(DatasetError, match=rf"{file}: cannot be read"):
        read_pathvqa(tmp_path, split="train")
    file.write_bytes(b"version https://git-lfs.github.com/spec/v1\n")
    with pytest.raises(DatasetError, match="a Git LFS pointer"):
        read_pathvqa(tmp_path, split="train")
    write_parquet(file, [{"image": b"x", "text": "a"}])
    with pytest.raises(DatasetError, match="no column question, answer; it has image, text"):
        read_pathvqa(tmp_path, split="train")
