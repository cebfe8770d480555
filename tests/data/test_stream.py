from collections import Counter

import pytest
from hypothesis import given
from hypothesis.strategies import integers

from pathvlm_r1.data.stream import ItemStream, shuffled_index


@given(items=integers(1, 60), seed=integers(0, 2**31), epoch=integers(0, 40))
def test_every_item_stands_once_in_every_epoch(items, seed, epoch):
    order = [shuffled_index(items, position, seed=seed) for position in range(epoch * items, (epoch + 1) * items)]
    assert sorted(order) == list(range(items))


@given(items=integers(1, 30), batch_size=integers(1, 17), start=integers(0, 40), seed=integers(0, 99))
def test_a_stream_resumed_from_any_batch_goes_on_as_if_never_interrupted(items, batch_size, start, seed):
    whole = ItemStream.shuffled(range(items), batch_size=batch_size, seed=seed)
    expected = [whole.batch(index) for index in range(start, start + 5)]
    resumed = ItemStream.shuffled(range(items), batch_size=batch_size, seed=seed)
    resumed.load_state_dict({"batches_done": start})
    iterator = iter(resumed.train_dataloader())
    assert [next(iterator).items for _ in range(5)] == expected


@given(items=integers(1, 30), batch_size=integers(1, 50), epochs=integers(1, 4), seed=integers(0, 99))
def test_batches_cut_the_order_without_losing_or_repeating_an_item(items, batch_size, epochs, seed):
    stream = ItemStream.shuffled(range(items), batch_size=batch_size, seed=seed)
    batches = -(-items * epochs // batch_size)
    drawn = [item for index in range(batches) for item in stream.batch(index)]
    assert all(len(stream.batch(index)) == batch_size for index in range(batches))
    assert Counter(drawn[: items * epochs]) == Counter(dict.fromkeys(range(items), epochs))


def test_epochs_and_seeds_have_their_own_orders():
    orders = {
        tuple(shuffled_index(50, epoch * 50 + place, seed=seed) for place in range(50))
        for epoch in range(3)
        for seed in range(3)
    }
    assert len(orders) == 9


def test_a_stream_that_replays_its_first_epoch_would_be_caught():
    """The wrong version: an order without the epoch in it."""
    first = [shuffled_index(20, position % 20, seed=0) for position in range(20, 40)]
    assert first != [shuffled_index(20, position, seed=0) for position in range(20, 40)]


class _Place:
    """What the stream asks of a trainer."""

    def __init__(self, rank, world):
        self.global_rank, self.world_size = rank, world


@given(rank_count=integers(1, 4), index=integers(0, 10))
def test_processes_share_a_batch_without_overlap(rank_count, index):
    stream = ItemStream.shuffled(range(7), batch_size=4 * rank_count, seed=0)
    whole = stream.batch(index)
    shares = []
    for rank in range(rank_count):
        stream.trainer = _Place(rank, rank_count)
        shares.append(stream.batch(index))
    assert all(len(share) == 4 for share in shares)
    assert [shares[place % rank_count][place // rank_count] for place in range(len(whole))] == whole


def test_the_state_is_the_number_of_batches_done():
    stream = ItemStream.shuffled("abc", batch_size=2, seed=0)
    stream.batches_done = 5
    other = ItemStream.shuffled("abc", batch_size=2, seed=0)
    other.load_state_dict(stream.state_dict())
    assert other.batches_done == 5


def test_nothing_to_train_on_is_refused():
    with pytest.raises(ValueError, match="nothing to train on"):
        ItemStream.shuffled([], batch_size=1, seed=0)
