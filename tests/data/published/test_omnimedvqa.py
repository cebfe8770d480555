"""OmniMedVQA as published, and asked anew: there the options' texts say nothing."""

import json
from collections import Counter, defaultdict

import pytest
from drawn_sets import write_omnimedvqa

from pathvlm_r1.data.defects import DefectKind
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.published import CLASS_QUESTIONS, read_omnimedvqa, read_omnimedvqa_hard
from pathvlm_r1.data.text_floor import text_only_floor

SETS = tuple(CLASS_QUESTIONS)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return write_omnimedvqa(tmp_path_factory.mktemp("omnimedvqa") / "OmniMedVQA")


def read(root, sources=SETS):
    return read_omnimedvqa(root, split="test", sources=sources, path_map={})


def read_hard(root, sources=SETS, seed=3):
    return read_omnimedvqa_hard(root, split="test", sources=sources, path_map={}, seed=seed)


def test_every_record_is_read_with_its_gold_text_as_a_letter(root):
    result = read(root)
    records = [
        record for name in SETS for record in json.loads((root / f"QA_information/Open-access/{name}.json").read_text())
    ]
    assert [sample.sample_id for sample in result.samples] == [record["question_id"] for record in records]
    assert [s.option(s.answer) for s in result.samples] == [record["gt_answer"] for record in records]
    assert {len(sample.options) for sample in result.samples} == {2, 3, 4}
    assert len({sample.image_id for sample in result.samples}) == len(records), "equal file names in two folders"


def test_the_record_with_modality_for_modality_type_is_kept_and_named(root):
    (defect,) = read(root).defects
    assert (defect.record, defect.defect, defect.action) == (
        "Chest CT Scan_0000", DefectKind.MALFORMED_RECORD, "warn",
    )  # fmt: skip


def test_any_other_set_by_name_and_the_archives_own_folder(root):
    name = "Blood Cell"
    records = json.loads((root / "QA_information/Open-access/ISIC2020.json").read_text())[:3]
    (root / "QA_information/Restricted-access").mkdir(exist_ok=True)
    (root / f"QA_information/Restricted-access/{name}.json").write_text(json.dumps(records))
    assert len(read(root.parent, [name]).samples) == 3


def test_what_is_not_there_is_named_with_what_is(root, tmp_path):
    with pytest.raises(DatasetError, match=r"no OmniMedVQA folder .*dataset\.root"):
        read(tmp_path)
    with pytest.raises(DatasetError, match=r"dataset\.sources: .* no set 'Xray'; it has .*Chest CT Scan, "):
        read(root, ["Xray"])
    with pytest.raises(DatasetError, match="no split 'train'"):
        read_omnimedvqa(root, split="train", sources=SETS, path_map={})
    with pytest.raises(DatasetError, match=r"the classes of Xray are not known"):
        read_hard(root, ["Xray"])


def test_asked_anew_every_picture_has_all_classes_of_its_set_and_the_right_one_is_its_own(root):
    for sample in read_hard(root).samples:
        asking = CLASS_QUESTIONS[sample.question_type]
        assert set(sample.options) == set(asking.classes.values())
        if asking.is_in_path:
            folder = sample.image_id.split("/")[-2].lower().replace(".", " ").replace("_", " ")
            right = [
                name for start, name in asking.classes.items() if folder == start or folder.startswith(f"{start} ")
            ]
            assert right == [sample.option(sample.answer)]
    malignant = [s for s in read_hard(root, ["ISIC2020"]).samples if s.option(s.answer) == "Malignant"]
    assert {sample.image_id for sample in malignant} == {f"Images/ISIC2020/ISIC_{n:07d}.jpg" for n in range(4)}


def test_asked_anew_neither_text_nor_letter_is_right_more_often_than_another(root):
    samples = read_hard(root).samples
    by_set = defaultdict(list)
    for sample in samples:
        by_set[sample.question_type].append(sample)
    for of_set in by_set.values():
        assert len(set(Counter(s.option(s.answer) for s in of_set).values())) == 1
        letters = Counter(s.answer for s in of_set)
        assert max(letters.values()) - min(letters.values()) <= 1
    best = text_only_floor(samples, samples)  # learnt on the very questions that it answers
    assert best.option_text == pytest.approx(best.chance)
    easy = read(root).samples
    assert text_only_floor(easy, easy).option_text > 0.9, "the published questions give themselves away"


def test_asked_anew_what_is_left_out_is_counted_and_a_seed_chooses_it(root):
    result = read_hard(root)
    kinds = Counter(defect.defect for defect in result.defects)
    assert kinds[DefectKind.CLASS_UNKNOWN] == 3  # of ISIC2020, asked for the modality alone
    pictures = {sample.image_id for sample in read(root).samples}
    assert (
        len(pictures) == len(result.samples) + kinds[DefectKind.CLASS_UNKNOWN] + kinds[DefectKind.LEFT_OUT_TO_BALANCE]
    )
    assert {defect.action for defect in result.defects} == {"skip"}
    assert read_hard(root).samples == result.samples
    assert {s.image_id for s in read_hard(root, seed=4).samples} != {s.image_id for s in result.samples}
