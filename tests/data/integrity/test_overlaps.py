"""Overlaps: the published defects, built on purpose, are found by the keys that can see them and by no other."""

from dataclasses import replace

import pytest
from defective_pictures import drawn, sample_on, sound_samples
from PIL import Image

from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.integrity import (
    KEY_NAMES,
    Audit,
    Sharing,
    audit_page,
    component_labels,
    overlaps_of,
    pictures_of,
    split_components,
    verify,
)

SHARED_NAMES = 437  # between training and test in a split by questions, as published
EVERY_KEY = Sharing(keys=KEY_NAMES, near_threshold=32, name_parts=1, case_pattern=r"case\d+")
SMALL = (40, 30)


def counts(**collections):
    """Pairs by key, of the only two collections."""
    read = {name: ReadResult(samples, []) for name, samples in collections.items()}
    result = verify(read, workers=2, with_look=True, progress=lambda items, _: items)
    pictures = {name: pictures_of(members, result.keys, EVERY_KEY) for name, members in result.splits.items()}
    return {one.key: one for one in overlaps_of(pictures, EVERY_KEY)}


def numbers(**collections):
    return {key: len(one.pairs) for key, one in counts(**collections).items()}


NOTHING = dict.fromkeys(KEY_NAMES, 0)


def test_sets_that_share_nothing_have_no_pairs(tmp_path):
    assert numbers(sft=sound_samples(tmp_path, 5), test=sound_samples(tmp_path, 5, first=5)) == NOTHING


def test_a_split_by_questions_that_shares_437_names_is_seen_and_ours_shares_none(tmp_path):
    (tmp_path / "images").mkdir()
    questions = []
    for number in range(SHARED_NAMES + 3):
        path = tmp_path / "images" / f"{number}.png"
        drawn(number, SMALL).save(path)
        questions += [sample_on(path, 2 * number), sample_on(path, 2 * number + 1)]
    by_question = {"sft": questions[::2][:SHARED_NAMES], "test": questions[1::2]}
    found = numbers(**by_question)
    assert found == {"name": 437, "content": 437, "pixels": 437, "near": 437, "case": 0}
    read = {name: ReadResult(samples, []) for name, samples in by_question.items()}
    result = verify(read, workers=2, with_look=True, progress=lambda items, _: items)
    labels = component_labels(result.samples, result.keys, EVERY_KEY)
    roles = split_components(result.samples, labels, {"sft": 437, "test": 200}, seed=0)
    ours = {name: pictures_of(members, result.keys, EVERY_KEY) for name, members in roles.items()}
    assert {one.key: len(one.pairs) for one in overlaps_of(ours, EVERY_KEY)} == NOTHING
    assert [len(members) for members in roles.values()] == [437, 200]


def test_one_jpeg_under_two_names_is_seen_by_its_bytes_and_not_by_its_name(tmp_path):
    drawn(1).save(tmp_path / "a.jpg")
    (tmp_path / "b.jpg").write_bytes((tmp_path / "a.jpg").read_bytes())
    found = numbers(rl=[sample_on(tmp_path / "a.jpg", 0)], test=[sample_on(tmp_path / "b.jpg", 1)])
    assert found == NOTHING | {"content": 1, "pixels": 1, "near": 1}


def test_another_encoding_of_the_same_pixels_is_seen_by_them(tmp_path):
    drawn(1).save(tmp_path / "a.png")
    drawn(1).save(tmp_path / "b.bmp")
    found = numbers(rl=[sample_on(tmp_path / "a.png", 0)], test=[sample_on(tmp_path / "b.bmp", 1)])
    assert found == NOTHING | {"pixels": 1, "near": 1}


@pytest.mark.parametrize("transpose", [None, *Image.Transpose])
def test_a_compressed_flipped_or_turned_copy_is_seen_by_its_look_alone(tmp_path, transpose):
    drawn(1, (120, 90)).save(tmp_path / "a.png")
    copy = drawn(1, (120, 90)) if transpose is None else drawn(1, (120, 90)).transpose(transpose)
    copy.save(tmp_path / "b.jpg", quality=60)
    found = counts(rl=[sample_on(tmp_path / "a.png", 0)], test=[sample_on(tmp_path / "b.jpg", 1)])
    assert {key: len(one.pairs) for key, one in found.items()} == NOTHING | {"near": 1}
    assert found["near"].pairs[0].distance <= 32


def test_pictures_of_one_case_are_seen_by_it(tmp_path):
    for number in range(2):
        (tmp_path / f"case7_{number}").mkdir()
        drawn(number).save(tmp_path / f"case7_{number}" / f"{number}.png")
    first, second = (sample_on(tmp_path / f"case7_{number}" / f"{number}.png", number) for number in range(2))
    assert numbers(rl=[first], test=[second]) == NOTHING | {"case": 1}


def test_every_picture_of_a_sample_is_compared_and_one_of_several_questions_once(tmp_path):
    one, other = sound_samples(tmp_path, 2)
    both = replace(one, sample_id="both", images=(*one.images, *other.images))
    asked_twice = [other, replace(other, sample_id="again", question="Another one?")]
    assert numbers(rl=[both], test=asked_twice) == NOTHING | {"name": 1, "content": 1, "pixels": 1, "near": 1}


def test_the_page_shows_both_pictures_of_a_pair_and_loads_nothing(tmp_path):
    drawn(1, (120, 90)).save(tmp_path / "a.png")
    drawn(1, (120, 90)).save(tmp_path / "b<i>.jpg", quality=60)
    found = counts(rl=[sample_on(tmp_path / "a.png", 0)], test=[sample_on(tmp_path / "b<i>.jpg", 1)])
    page = audit_page(Audit("set <x>", {"rl": 1, "test": 1}, {"set": None}, list(found.values()), ["2 < 3"]))
    assert page.count('src="data:image/jpeg;base64,') == page.count("<img") == 2
    assert "set &lt;x&gt;" in page
    assert "2 &lt; 3" in page
    assert "b&lt;i&gt;.jpg" in page
    assert f"{found['near'].pairs[0].distance} of 256 bits differ" in page
    assert not any(word in page for word in ("<script", "http:", "https:", "<link"))


def test_a_picture_that_went_away_since_leaves_its_message_on_the_page(tmp_path):
    drawn(1).save(tmp_path / "a.png")
    drawn(1).save(tmp_path / "b.bmp")
    found = counts(rl=[sample_on(tmp_path / "a.png", 0)], test=[sample_on(tmp_path / "b.bmp", 1)])
    (tmp_path / "b.bmp").unlink()
    page = audit_page(Audit("set", {"rl": 1, "test": 1}, {}, list(found.values()), []))
    assert "no such file" in page
