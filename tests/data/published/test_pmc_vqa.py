"""PMC-VQA: two versions of one table, its choices with letters, and its labels held against its answers."""

import pytest
from drawn_tables import write_pmc_vqa

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.published import read_pmc_vqa

OPTIONS = ("Diffuse", "Focal (one)", "Both A and B", "None")


@pytest.fixture
def root(tmp_path):
    return write_pmc_vqa(tmp_path)


def read(root, split):
    return read_pmc_vqa(root, split=split, path_map={})


@pytest.mark.parametrize(("split", "folder"), [("test_clean", "images"), ("train", "images"), ("test_2", "figures")])
def test_both_versions_give_the_same_questions_from_their_own_folders(root, split, folder):
    result = read(root, split)
    assert not result.defects
    assert [sample.answer for sample in result.samples] == list("ABCDAB")
    assert {sample.options for sample in result.samples} == {OPTIONS}
    assert result.samples[0].sample_id == f"{split}.csv:2"
    assert result.samples[0].images[0].path == root / folder / "PMC1_F0.jpg"
    assert not any("Caption" in sample.question for sample in result.samples), "it often says the answer"


def change(root, old, new, split="test", encoding="utf-8"):
    file = root / f"{split}.csv"
    file.write_bytes(file.read_bytes().decode().replace(old, new, 1).encode(encoding))


@pytest.mark.parametrize(
    ("old", "new", "kind"),
    [
        ("?,Diffuse,", "?,Focal (one),", DefectKind.GOLD_CONTRADICTORY),
        (",A\r\n", ",E\r\n", DefectKind.GOLD_NOT_AN_OPTION),
        (",A\r\n", ",A,more\r\n", DefectKind.MALFORMED_RECORD),
        (" B:Focal (one) ", "", DefectKind.MALFORMED_RECORD),
        ("PMC1_F0.jpg", "gone.jpg", DefectKind.IMAGE_MISSING),
    ],
)
def test_a_faulty_row_is_named_by_its_line(root, old, new, kind):
    change(root, old, new)
    result = read(root, "test")
    assert [(defect.record, defect.defect) for defect in result.defects] == [("test.csv:2", kind)]
    assert len(result.samples) == 5


def test_the_misspelt_heading_semicolons_and_windows_letters_are_read_and_the_letters_warned_of(root):
    change(root, "Answer,Choice", "Anwser,Choice")
    change(root, "What is shown in figure 0?", "Was zeigt die Färbung?", encoding="cp1252")
    result = read(root, "test")
    assert result.samples[0].question == "Was zeigt die Färbung?"
    (defect,) = result.defects
    assert (defect.defect, defect.action) == (DefectKind.ENCODING, "warn")


def test_another_folder_says_what_to_fetch(root, tmp_path):
    with pytest.raises(DatasetError, match=r"no PMC-VQA folder \(test_2\.csv is missing\).*RadGenome/PMC-VQA"):
        read(tmp_path / "nowhere", "test_2")
    (root / "test.csv").write_bytes((root / "test_2.csv").read_bytes())
    with pytest.raises(DatasetError, match="no column Answer_label"):
        read(root, "test")
