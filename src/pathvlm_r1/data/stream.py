"""An endless, resumable order of training items, cut into batches without a remainder."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from itertools import count
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset


class Batch:
    """Items as Lightning carries them: reduced precisions walk through a list into frozen samples, and fail there."""

    def __init__(self, items: list[Any]) -> None:
        self.items = items


class _Batches(IterableDataset[Batch]):
    def __init__(self, stream: ItemStream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[Batch]:
        for batch in count(self.stream.batches_done):
            yield Batch(self.stream.batch(batch))


class ItemStream(LightningDataModule):  # type: ignore[misc]
    """Training batches without end; how many were consumed is part of the checkpoint.

    Args:
        item: the training item at any position, always the same.
        batch_size: items of one optimiser step or rollout, over all processes.
    """

    def __init__(self, item: Callable[[int], Any], *, batch_size: int) -> None:
        super().__init__()
        self.item = item
        self.batch_size = batch_size
        self.batches_done = 0

    @classmethod
    def shuffled(cls, items: Sequence[Any], *, batch_size: int, seed: int) -> ItemStream:
        """Epoch after epoch, each in a fresh order; a batch at the end of one goes on in the next: none is dropped."""
        if not items:
            raise ValueError("items is empty: there is nothing to train on")
        return cls(lambda position: items[shuffled_index(len(items), position, seed=seed)], batch_size=batch_size)

    def batch(self, index: int) -> list[Any]:
        """The batch at an index; under several processes, this process's equal share of it."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        first = index * self.batch_size
        return [self.item(position) for position in range(first + rank, first + self.batch_size, world)]

    def train_dataloader(self) -> DataLoader[Batch]:
        return DataLoader(_Batches(self), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        return {"batches_done": self.batches_done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.batches_done = int(state_dict["batches_done"])


def shuffled_index(items: int, position: int, *, seed: int) -> int:
    """Which item stands at a position of the endless order: a pure function, so that a resumed run goes on exactly."""
    epoch, place = divmod(position, items)
    return int(_permutation(items, seed, epoch)[place])


@lru_cache(maxsize=4)
def _permutation(items: int, seed: int, epoch: int) -> NDArray[np.int64]:
    return np.random.default_rng((seed, epoch)).permutation(items)
