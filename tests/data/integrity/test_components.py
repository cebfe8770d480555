"""What connects two questions, each key by itself, held against a search by hand."""

from collections import defaultdict
from pathlib import Path

import numpy as np
import pytest
from defective_pictures import sample_on
from hypothesis import given, settings
from hypothesis import strategies as st

from pathvlm_r1.data.integrity import KEY_NAMES, PictureKeys, Sharing, component_labels

NO_KEY = Sharing(keys=(), near_threshold=32, name_parts=1, case_pattern=None)
BASE_LOOK = np.random.default_rng(0).integers(0, 2**63, (8, 4)).astype(np.uint64)


def look(number: int) -> bytes:
    """The hashes of a picture that is like no other number's."""
    return np.random.default_rng(number + 1).integers(0, 2**63, (8, 4)).astype(np.uint64).tobytes()


def near_to(number: int) -> bytes:
    """Those of a picture that looks nearly like another."""
    changed = np.frombuffer(look(number), dtype=np.uint64).copy()
    changed[0] ^= np.uint64(1)
    return changed.tobytes()


def picture(number: int, path: str | None = None, **changes: object) -> PictureKeys:
    """A picture that shares nothing with another number's."""
    values = {"path": Path(path or f"/set/{number}.png"), "content": f"c{number}", "pixels": f"p{number}"}
    return PictureKeys(**{**values, "look": look(number), **changes})


def are_joined(one: PictureKeys, other: PictureKeys, sharing: Sharing) -> bool:
    samples = [sample_on(Path("a.png"), 0, image_id="0"), sample_on(Path("b.png"), 1, image_id="1")]
    left, right = component_labels(samples, {"q0000": (one,), "q0001": (other,)}, sharing)
    return left == right


def sharing(*keys, **changes):
    values = {"near_threshold": 32, "name_parts": 1, "case_pattern": None}
    return Sharing(keys=keys, **{**values, **changes})


JOINED_BY = {
    "name": (picture(1, "/a/one.jpg"), picture(2, "/b/one.jpg")),
    "content": (picture(1), picture(2, content="c1")),
    "pixels": (picture(1), picture(2, pixels="p1")),
    "near": (picture(1), picture(2, look=near_to(1))),
    "case": (picture(1, "/set/case7/a.png"), picture(2, "/set/case7/b.png")),
}


@pytest.mark.parametrize("key", KEY_NAMES)
@pytest.mark.parametrize("pair", JOINED_BY)
def test_a_key_joins_what_shares_it_and_nothing_else(key, pair):
    assert are_joined(*JOINED_BY[pair], sharing(key, case_pattern=r"case(\d+)")) == (key == pair)


def test_a_name_has_as_many_parts_as_are_asked_for():
    one, other = picture(1, "/a/x1/source.jpg"), picture(2, "/b/x2/source.jpg")
    assert are_joined(one, other, sharing("name"))
    assert not are_joined(one, other, sharing("name", name_parts=2))


def test_a_case_without_a_group_is_all_that_is_found_and_none_where_nothing_is():
    assert are_joined(picture(1, "/s-3/a.png"), picture(2, "/s-3/b.png"), sharing("case", case_pattern=r"s-\d"))
    assert not are_joined(picture(1, "/t/a.png"), picture(2, "/t/b.png"), sharing("case", case_pattern=r"s-\d"))


def test_questions_on_one_picture_are_joined_whatever_the_keys():
    samples = [sample_on(Path("a.png"), number, image_id="a") for number in range(2)]
    assert set(component_labels(samples, {"q0000": (picture(1),), "q0001": (picture(2),)}, NO_KEY)) == {0}


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    shared=st.lists(st.tuples(*[st.integers(0, 12)] * 4), min_size=1, max_size=25),
    keys=st.sets(st.sampled_from(["name", "content", "pixels", "near"])),
)
def test_components_are_those_of_a_walk_from_neighbour_to_neighbour(shared, keys):
    samples = [sample_on(Path("x.png"), number, image_id=str(number)) for number in range(len(shared))]
    known = {
        f"q{number:04d}": (picture(number, f"/s/{n}.png", content=f"c{c}", pixels=f"p{p}", look=look(s)),)
        for number, (n, c, p, s) in enumerate(shared)
    }
    labels = component_labels(samples, known, sharing(*keys))
    place = {"name": 0, "content": 1, "pixels": 2, "near": 3}
    neighbours = defaultdict(set)
    for i, one in enumerate(shared):
        neighbours[i] = {j for j, other in enumerate(shared) if any(one[place[k]] == other[place[k]] for k in keys)}
    for start in range(len(shared)):
        reached, waiting = {start}, [start]
        while waiting:
            new = neighbours[waiting.pop()] - reached
            reached |= new
            waiting += new
        assert {i for i in range(len(shared)) if labels[i] == labels[start]} == reached
