"""A verified dataset: every defect is named, what is left is what was sound, and its hash is that of its contents."""

import threading
from dataclasses import replace

import pytest
from defective_pictures import drawn, sample_on, sound_samples, write_defects
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pathvlm_r1.data.defects import Defect, DefectKind, ReadResult
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.integrity import counted, open_pictures, verify


def silent(items, total):
    del total
    return items


def verified(**splits):
    read = {name: split if isinstance(split, ReadResult) else ReadResult(split, []) for name, split in splits.items()}
    return verify(read, workers=2, with_look=False, progress=silent)


def found(result):
    return {(defect.record, str(defect.defect), defect.action) for defect in (*result.defects, *result.warnings)}


def test_every_defect_of_a_picture_is_reported_with_its_record_and_the_sound_records_stay(tmp_path):
    kinds = write_defects(tmp_path / "bad")
    sound = sound_samples(tmp_path, 3)
    bad = {name: sample_on(tmp_path / "bad" / name, 10 + place) for place, name in enumerate(kinds)}
    result = verified(sft=[*bad.values(), *sound])
    assert {(d.record, d.defect) for d in result.defects} == {(bad[name].sample_id, kinds[name]) for name in kinds}
    assert all(defect.file in defect.message and defect.action in ("skip", "error") for defect in result.defects)
    assert result.splits == {"sft": sound}
    assert counted(result.defects)["image-not-downloaded"] == 3
    assert result.warnings == ()
    assert result.pictures == len(kinds) + 3


def test_frames_and_tiny_pictures_are_warned_of_and_kept(tmp_path):
    frames = [drawn(seed) for seed in (1, 2)]
    frames[0].save(tmp_path / "moving.gif", save_all=True, append_images=frames[1:])
    drawn(3, (20, 90)).save(tmp_path / "tiny.png")
    samples = [sample_on(tmp_path / "moving.gif", 0), sample_on(tmp_path / "tiny.png", 1)]
    result = verified(sft=samples)
    assert found(result) == {("q0000", "image-frames", "warn"), ("q0001", "image-tiny", "warn")}
    assert result.splits["sft"] == samples


def test_a_sample_of_several_pictures_leaves_with_any_of_them(tmp_path):
    sound = sound_samples(tmp_path, 2)
    both = replace(sound[0], sample_id="both", images=(*sound[0].images, FileImage(tmp_path / "none.png")))
    result = verified(sft=[*sound, both])
    assert found(result) == {("both", "image-missing", "skip")}
    assert [len(result.keys[sample.sample_id]) for sample in sound] == [1, 1]


def test_what_the_reader_found_is_reported_beside_it(tmp_path):
    refused = Defect("r1", "data.json", DefectKind.OPTIONS_MISSING, "no options", "error")
    noticed = Defect("q0000", "data.json", DefectKind.ENCODING, "read as Windows-1252", "warn")
    result = verified(sft=ReadResult(sound_samples(tmp_path, 1), [refused, noticed]))
    assert result.defects == (refused,)
    assert result.warnings == (noticed,)
    assert len(result.samples) == 1


def test_records_of_one_id_cannot_be_told_apart(tmp_path):
    one, other, sound = sound_samples(tmp_path, 3)
    result = verified(sft=[one, sound], test=[replace(other, sample_id=one.sample_id)])
    assert found(result) == {(one.sample_id, "duplicate-id", "error")}
    assert result.splits == {"sft": [sound], "test": []}


def test_of_records_that_ask_the_same_the_test_keeps_its_own(tmp_path):
    one, other, third = sound_samples(tmp_path, 3)
    again = replace(one, sample_id="again", question=one.question.upper())
    contradicting = replace(other, sample_id="contradicting", answer="D")
    tested = replace(third, sample_id="tested")
    result = verified(sft=[one, again, other, contradicting, third], test=[tested])
    assert found(result) == {
        (one.sample_id, "duplicate-question", "skip"),
        (other.sample_id, "answers-differ", "error"),
        (third.sample_id, "question-in-two-splits", "error"),
        (third.sample_id, "image-in-two-splits", "warn"),
    }
    assert result.splits["test"] == [tested]


def test_pictures_and_names_that_do_not_go_together_are_warned_of(tmp_path):
    one, other = sound_samples(tmp_path / "a", 2)
    drawn(0).save(tmp_path / "a" / "copy.png")
    (tmp_path / "b").mkdir()
    drawn(5).save(tmp_path / "b" / "picture_1.png")
    copy = sample_on(tmp_path / "a" / "copy.png", 7)
    namesake = sample_on(tmp_path / "b" / "picture_1.png", 8)
    result = verified(sft=[one, other], test=[copy, namesake])
    assert found(result) == {
        ("q0007", "image-of-two-names", "warn"),
        ("q0008", "name-of-two-images", "warn"),
        ("q0000", "image-in-two-splits", "warn"),
    }
    assert len(result.samples) == 4


def test_the_hash_is_that_of_texts_and_pixels_and_of_nothing_else(tmp_path):
    samples = sound_samples(tmp_path / "a", 4)
    first = verified(sft=samples).hash
    assert verified(sft=samples[::-1]).hash == first, "the order says nothing"
    (tmp_path / "b").mkdir()
    moved = []
    for sample in samples:
        path = tmp_path / "b" / f"{sample.sample_id}.bmp"
        sample.images[0].load().save(path)
        moved.append(replace(sample, images=(FileImage(path),)))
    assert verified(sft=moved).hash == first, "nor do names and encodings"
    assert verified(sft=samples[:3]).hash != first
    assert verified(sft=[replace(samples[0], answer="B"), *samples[1:]]).hash != first
    picture = samples[0].images[0].load()
    picture.putpixel((0, 0), (1, 2, 3))
    picture.save(samples[0].images[0].path)
    assert verified(sft=samples).hash != first, "one pixel does"


@settings(max_examples=10, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(count=st.integers(0, 40), workers=st.integers(1, 5))
def test_pictures_are_opened_in_order_and_few_at_a_time(count, workers):
    alive, most, lock = 0, 0, threading.Lock()

    class Counted:
        def __init__(self, number):
            self.number = number

        def load(self):
            return Image.new("RGB", (30, 30), (self.number, 0, 0))

    def sources():
        nonlocal alive, most
        for number in range(count):
            with lock:
                alive += 1
                most = max(most, alive)
            yield Counted(number)

    opened = []
    for one in open_pictures(sources(), workers=workers, with_look=False):
        alive -= 1
        opened.append(one.keys.pixels)
    alone = [next(open_pictures([Counted(number)], workers=1, with_look=False)).keys.pixels for number in range(count)]
    assert opened == alone
    assert most <= 8 * workers + 1


@pytest.mark.parametrize("with_look", [False, True])
def test_the_look_is_computed_where_it_is_asked_for(tmp_path, with_look):
    (sample,) = sound_samples(tmp_path, 1)
    (opened,) = open_pictures(sample.images, workers=1, with_look=with_look)
    assert len(opened.keys.look) == (256 if with_look else 0)
