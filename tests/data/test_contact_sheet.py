"""Contact sheets: what stands below a picture, and that it stays within its room."""

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from pathvlm_r1.data.contact_sheet import COLUMNS, PICTURE, caption, contact_sheet, modality_sheet
from pathvlm_r1.data.phantom import PhantomSource


def phantoms(count, modality="histology"):
    return PhantomSource(f"sheet_{modality}", modality, 3, 56, {"terse": 1.0}).samples("test", count)


def words(sample):
    return " ".join(line.text for line in caption(sample))


def test_the_caption_has_question_options_answer_and_findings_in_whole_words():
    for sample in phantoms(8):
        text = words(sample)
        assert text.startswith(sample.question)
        assert all(f"{letter}) {option}" in text for letter, option in zip(sample.letters, sample.options, strict=True))
        assert text.count("(answer)") == 1
        assert f"{sample.option(sample.answer)} (answer)" in text
        assert all(phrase in text for phrase in sample.findings.shown)


def test_a_sample_without_findings_has_none_in_its_caption():
    assert "Shows" not in words(replace(phantoms(1)[0], findings=None))


def test_a_word_wider_than_the_picture_is_cut_and_loses_no_letter():
    endless = "".join(chr(ord("a") + index % 26) for index in range(300))
    lines = caption(replace(phantoms(1)[0], question=endless, findings=None))
    assert "".join(line.text for line in lines).startswith(endless)
    sheet = np.asarray(contact_sheet([replace(phantoms(1)[0], question=endless)]).convert("L"))
    assert sheet[:, -6:].min() == 255  # nothing is written into the margin


def test_samples_wrap_into_rows_and_every_picture_is_there():
    samples = phantoms(COLUMNS + 1)
    one_row, two_rows = contact_sheet(samples[:COLUMNS]), contact_sheet(samples)
    assert one_row.width == two_rows.width
    assert two_rows.height > one_row.height + PICTURE
    first = np.asarray(samples[0].images[0].load()).repeat(PICTURE // 56, axis=0).repeat(PICTURE // 56, axis=1)
    sheet = np.asarray(two_rows)
    assert np.array_equal(sheet[12 : 12 + PICTURE, 12 : 12 + PICTURE], first)


class WidePicture:
    def load(self):
        return Image.new("RGB", (640, 480), "red")


def test_a_large_picture_is_shown_whole():
    sheet = np.asarray(contact_sheet([replace(phantoms(1)[0], images=(WidePicture(),))]))
    red = (sheet == [255, 0, 0]).all(axis=-1)
    assert [np.ptp(axis) + 1 for axis in np.nonzero(red)] == [PICTURE * 3 // 4, PICTURE]


def test_all_pictures_of_a_question_are_shown():
    several = contact_sheet([replace(phantoms(1)[0], images=(WidePicture(),) * 3)])
    red = (np.asarray(several) == [255, 0, 0]).all(axis=-1)
    assert red.sum() == pytest.approx(3 * (PICTURE // 2) * (PICTURE * 3 // 8), rel=0.02)  # scaled edges blend


def test_a_sheet_of_modalities_has_each_dataset_below_the_other():
    sheets = {name: phantoms(2, name) for name in ("ct", "oct")}
    alone = [modality_sheet({name: samples}) for name, samples in sheets.items()]
    together = modality_sheet(sheets)
    assert together.size == (max(sheet.width for sheet in alone), sum(sheet.height for sheet in alone))
    assert modality_sheet(sheets).tobytes() == together.tobytes()


def test_no_samples_are_refused():
    with pytest.raises(ValueError, match="no samples"):
        contact_sheet([])
