"""How a picture looks: the same after what leaves it the same picture, far from every other."""

import io

import numpy as np
import pytest
from defective_pictures import drawn as drawn_in_size
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageEnhance
from scipy.fft import dctn

from pathvlm_r1.data.integrity.look import BITS, NearPair, look_of, near_between, near_pairs, stacked

THRESHOLD = 32


def drawn(seed: int) -> Image.Image:
    return drawn_in_size(seed, (120, 90))


def looks(*pictures: Image.Image) -> np.ndarray:
    return stacked([look_of(picture).tobytes() for picture in pictures])


def distance(left: Image.Image, right: Image.Image) -> int | None:
    (pair,) = near_between(looks(left), looks(right), BITS)
    return pair.distance


def recompressed(picture: Image.Image) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=30)
    return Image.open(buffer)


def restained(picture: Image.Image) -> Image.Image:
    return Image.fromarray((np.asarray(picture) * [0.8, 1.0, 1.1] + [10, -10, 5]).clip(0, 255).astype(np.uint8))


SAME = {
    "re-encoded": recompressed,
    "halved": lambda picture: picture.resize((60, 45), Image.Resampling.BICUBIC),
    "doubled": lambda picture: picture.resize((240, 180), Image.Resampling.LANCZOS),
    "restained": restained,
    "brighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.2),
    "trimmed by a pixel": lambda picture: picture.crop((1, 0, 120, 90)),
} | {
    name.name.lower(): lambda picture, name=name: picture.transpose(name) for name in Image.Transpose
}  # fmt: skip


@pytest.mark.parametrize("change", SAME)
def test_a_changed_copy_looks_alike(change):
    assert all(distance(drawn(seed), SAME[change](drawn(seed))) <= THRESHOLD for seed in range(20))


def test_a_flip_and_a_copy_with_another_stain_are_found_together():
    assert distance(drawn(1), recompressed(restained(drawn(1)).transpose(Image.Transpose.TRANSVERSE))) <= THRESHOLD


def test_other_pictures_are_far_away_in_every_orientation():
    assert near_pairs(looks(*map(drawn, range(40))), 64) == []


def test_the_first_hash_is_that_of_the_formula():
    picture = drawn(3)
    grey = np.asarray(picture.convert("L").convert("F").resize((32, 32), Image.Resampling.BOX), dtype=float)
    frequencies = dctn(grey, norm="ortho")[:16, :16]
    bits = np.unpackbits(look_of(picture)[0].view(np.uint8)).astype(bool)
    assert (bits[:64].reshape(8, 8) == (frequencies > np.median(frequencies))[:8, :8]).all()
    assert bits.sum() == (frequencies > np.median(frequencies)).sum() == 128


@pytest.mark.parametrize("value", [0, 128, 255])
def test_flat_pictures_look_alike_whatever_rounding_leaves(value):
    flat = Image.new("RGB", (77, 31), (value, value, value))
    assert distance(flat, Image.new("RGB", (64, 64), "grey")) <= 1  # the mean itself may be the median


def brute_force(left: np.ndarray, right: np.ndarray, threshold: int) -> list[NearPair]:
    """Bit by bit, in plain Python."""
    found = []
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            distances = []
            for turned in other:
                bits = [int(a) ^ int(b) for a, b in zip(one[0], turned, strict=True)]
                if bits[0].bit_count() <= threshold // 2:
                    distances.append(sum(word.bit_count() for word in bits))
            if distances and min(distances) <= threshold:
                found.append(NearPair(i, j, min(distances)))
    return found


@pytest.mark.medium
@settings(max_examples=12, deadline=None, derandomize=True)
@given(seed=st.integers(0, 2**32 - 1), size=st.integers(1, 70), threshold=st.integers(0, 80))
def test_near_pairs_are_those_of_a_loop_over_all_bits(seed, size, threshold):
    random = np.random.default_rng(seed)
    some = random.integers(0, 2**63, (4, 8, 4)).astype(np.uint64)
    spoilt = some[random.integers(0, 4, size)]
    spoilt ^= np.uint64(1) << random.integers(0, 64, spoilt.shape).astype(np.uint64)
    assert near_between(spoilt, some, threshold) == brute_force(spoilt, some, threshold)
    distinct = spoilt[np.sort(np.unique(spoilt[:, 0], axis=0, return_index=True)[1])]
    expected = [pair for pair in brute_force(distinct, distinct, threshold) if pair.left < pair.right]
    assert near_pairs(distinct, threshold) == expected


def test_equal_hashes_are_paired_with_the_first_so_that_copies_do_not_multiply():
    one, other = looks(drawn(1))[0], looks(drawn(2))[0]
    pairs = near_pairs(np.stack([one, other, one, one]), THRESHOLD)
    assert pairs == [NearPair(0, 2, 0), NearPair(0, 3, 0)]


def test_no_pictures_have_no_pairs():
    assert near_pairs(stacked([]), THRESHOLD) == []
    assert near_between(stacked([]), looks(drawn(1)), THRESHOLD) == []
