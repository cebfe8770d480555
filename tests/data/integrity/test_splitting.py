"""Splits: no component parted, no size exceeded, the same from the same seed, and as balanced as the whole."""

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from defective_pictures import sample_on
from hypothesis import given, settings
from hypothesis import strategies as st

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.integrity import exact_sizes, nested_subsets, split_components

ROLES = ("train_sft", "train_rl", "validation", "sealed_test")
COMPONENTS = st.lists(st.integers(1, 7), min_size=1, max_size=60)


def samples_of(component_sizes):
    """Samples of components of these sizes, and their labels."""
    labels = np.repeat(np.arange(len(component_sizes)), component_sizes)
    random = np.random.default_rng(len(labels))
    letters = random.choice(list("ABCD"), len(labels), p=[0.4, 0.3, 0.2, 0.1])
    samples = [
        sample_on(Path("x.png"), number, image_id=f"i{label}", answer=str(letter), dataset=f"d{label % 2}")
        for number, (label, letter) in enumerate(zip(labels, letters, strict=True))
    ]
    return samples, labels


def sizes_within(total, shares):
    return {role: int(total * share / 4) for role, share in zip(ROLES, shares, strict=True)}


@settings(max_examples=60, deadline=None, derandomize=True)
@given(components=COMPONENTS, shares=st.tuples(*[st.floats(0, 1)] * 4), seed=st.integers(0, 9))
def test_no_component_is_parted_no_sample_stands_twice_and_no_size_is_exceeded(components, shares, seed):
    samples, labels = samples_of(components)
    label_of = {sample.sample_id: label for sample, label in zip(samples, labels, strict=True)}
    sizes = sizes_within(len(samples), shares)
    split = split_components(samples, labels, sizes, seed=seed)
    assert tuple(split) == ROLES
    ids = [sample.sample_id for role in split.values() for sample in role]
    assert len(ids) == len(set(ids))
    owners = {(label_of[sample.sample_id], role) for role, members in split.items() for sample in members}
    assert len(owners) == len({label for label, _ in owners})
    placed = Counter(label_of[name] for name in ids)
    assert all(placed[label] == components[label] for label in placed)
    assert all(len(split[role]) <= size for role, size in sizes.items())


@settings(max_examples=40, deadline=None, derandomize=True)
@given(components=COMPONENTS, shares=st.tuples(*[st.floats(0, 1)] * 4))
def test_sizes_are_exact_where_single_questions_can_fill_them_up(components, shares):
    samples, labels = samples_of([*components, *[1] * 30])
    sizes = sizes_within(len(samples), shares)
    split = split_components(samples, labels, sizes, seed=0)
    assert {role: len(members) for role, members in split.items()} == sizes


def test_an_exchange_makes_a_size_exact_where_nothing_fits():
    samples, labels = samples_of([2, 2, 2, 3, 3])
    split = split_components(samples, labels, {"train_sft": 7}, seed=0)
    assert len(split["train_sft"]) == 7


@settings(max_examples=15, deadline=None, derandomize=True)
@given(components=COMPONENTS, order=st.randoms(use_true_random=False))
def test_the_split_follows_from_seed_and_samples_and_not_from_their_order(components, order):
    samples, labels = samples_of(components)
    sizes = sizes_within(len(samples), (1, 1, 1, 1))
    places = list(range(len(samples)))
    order.shuffle(places)
    shuffled = split_components([samples[i] for i in places], labels[places], sizes, seed=3)
    assert shuffled == split_components(samples, labels, sizes, seed=3)


def test_another_seed_gives_another_split():
    samples, labels = samples_of([1, 2, 3] * 30)
    sizes = sizes_within(len(samples), (1, 1, 1, 1))
    first, second = (split_components(samples, labels, sizes, seed=seed) for seed in (0, 1))
    assert first != second


def test_letters_sources_and_questions_on_a_picture_have_their_part_in_every_role():
    random = np.random.default_rng(1)
    samples, labels = samples_of(random.integers(1, 6, 700))
    on_image = Counter(sample.image_id for sample in samples)
    split = split_components(samples, labels, {"train_sft": 1000, "train_rl": 400, "sealed_test": 200}, seed=0)
    for feature in (lambda s: s.answer, lambda s: s.dataset, lambda s: min(4, on_image[s.image_id])):
        whole = Counter(map(feature, samples))
        for members in split.values():
            part = Counter(map(feature, members))
            assert all(abs(part[value] / len(members) - whole[value] / len(samples)) < 0.02 for value in whole)


def test_dealing_at_random_would_be_less_balanced():
    samples, labels = samples_of(np.random.default_rng(2).integers(1, 6, 300))
    whole = Counter(sample.answer for sample in samples)

    def imbalance(members):
        part = Counter(sample.answer for sample in members)
        return sum(abs(part[v] / len(members) - whole[v] / len(samples)) for v in whole)

    ours = imbalance(split_components(samples, labels, {"test": 100}, seed=0)["test"])
    random = np.random.default_rng(0)
    by_chance = []
    for _ in range(60):
        chosen = random.permutation(len(set(labels)))[:33]
        by_chance.append(imbalance([s for s, label in zip(samples, labels, strict=True) if label in chosen]))
    assert ours < np.quantile(by_chance, 0.05)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(count=st.integers(1, 200), sizes=st.lists(st.integers(1, 250), max_size=4), seed=st.integers(0, 5))
def test_subsets_are_exact_nested_and_balanced(count, sizes, seed):
    samples, _ = samples_of([1] * count)
    subsets = nested_subsets(samples, sizes, seed=seed)
    assert list(subsets) == sorted({size for size in sizes if size <= count})
    strata = Counter((sample.dataset, sample.answer) for sample in samples)
    for size, members in subsets.items():
        assert len({sample.sample_id for sample in members}) == size
        held = Counter((sample.dataset, sample.answer) for sample in members)
        assert all(abs(held[key] - strata[key] * size / count) <= len(strata) + 1 for key in strata)
    for smaller, larger in zip(subsets.values(), list(subsets.values())[1:], strict=False):
        assert smaller == larger[: len(smaller)]


def test_sizes_are_numbers_or_shares_and_ask_for_no_more_than_there_is():
    assert exact_sizes({"a": 0.5, "b": 20, "c": 0}, 101) == {"a": 50, "b": 20, "c": 0}
    assert exact_sizes(dict.fromkeys("abc", 0.1), 30) == {"a": 3, "b": 3, "c": 3}
    with pytest.raises(DatasetError, match=r"ask for 31 questions \(a 21, b 10\), there are 30"):
        exact_sizes({"a": 21, "b": 10}, 30)
