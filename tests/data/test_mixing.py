"""A mixture's order follows its weights, goes through every source, and needs nothing but seed and position."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pathvlm_r1.data.mixing import CHUNK, WeightedOrder, interleaved

SOURCES = {"a": [f"a{n}" for n in range(7)], "b": [f"b{n}" for n in range(40)], "c": ["c0"]}
WEIGHTS = {"a": 3.0, "b": 1.0, "c": 0.5}


def order(seed=0):
    return WeightedOrder(SOURCES, WEIGHTS, seed=seed)


@given(positions=st.lists(st.integers(0, 5 * CHUNK), min_size=1, max_size=30), seed=st.integers(0, 5))
@settings(deadline=None, max_examples=25)
def test_an_item_follows_from_seed_and_position_whatever_was_asked_before(positions, seed):
    asked = order(seed)
    assert [asked(position) for position in positions] == [order(seed)(position) for position in positions]


def test_shares_are_the_weights_to_what_chance_allows():
    drawn, n = order(), 6 * CHUNK
    counts = Counter(drawn(position)[0] for position in range(n))
    for name, weight in WEIGHTS.items():
        share = weight / sum(WEIGHTS.values())
        assert abs(counts[name] / n - share) < 4 * np.sqrt(share * (1 - share) / n)  # 4 standard errors


def test_a_source_is_gone_through_before_it_begins_anew():
    drawn = order()
    of_a = [item for item in map(drawn, range(3 * CHUNK)) if item.startswith("a")]
    epochs = [of_a[start : start + 7] for start in range(0, len(of_a) - 6, 7)]
    assert len(epochs) > 100
    assert all(sorted(epoch) == SOURCES["a"] for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) > 50, "each in an order of its own"


def test_other_seeds_draw_otherwise():
    first, second = ([order(seed)(position) for position in range(200)] for seed in (0, 1))
    assert first != second


@pytest.mark.parametrize("sizes", [(3, 30), (5, 5), (1, 1, 9)])
def test_a_beginning_of_the_interleaved_has_its_share_of_every_source(sizes):
    sources = [[(number, place) for place in range(size)] for number, size in enumerate(sizes)]
    spread = interleaved(sources)
    assert sorted(spread) == sorted(item for items in sources for item in items)
    for end in range(1, len(spread) + 1):
        for number, size in enumerate(sizes):
            found = [place for source, place in spread[:end] if source == number]
            assert found == list(range(len(found))), "in their own order"
            assert abs(len(found) - end * size / len(spread)) <= 1
