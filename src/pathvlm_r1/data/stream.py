"""An endless, resumable order of samples: permutation after permutation, cut into batches without a remainder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from pytorch_lightning import LightningDataModule
from torch.utils.data import DataLoader, IterableDataset

from pathvlm_r1.data.sample import Sample


def batch_indices(count: int, batch_size: int, *, seed: int, batch: int) -> list[int]:
    """The items of a batch: a pure function of its number, so that any batch can be the first after a resume.

    Batches follow one another through a fresh permutation for every epoch; one that reaches the end of an epoch goes on in
    the next, so no item is dropped.
    """
    first = batch * batch_size
    indices = []
    for position in range(first, first + batch_size):
        epoch, place = divmod(position, count)
        indices.append(int(_permutation(count, seed, epoch)[place]))
    return indices


def _permutation(count: int, seed: int, epoch: int) -> Any:
    return np.random.default_rng((seed, epoch)).permutation(count)


class _Batches(IterableDataset[list[Sample]]):
    def __init__(self, stream: SampleStream) -> None:
        self.stream = stream

    def __iter__(self) -> Iterator[list[Sample]]:
        batch = self.stream.batches_done
        while True:
            yield self.stream.batch(batch)
            batch += 1


class SampleStream(LightningDataModule):
    """Training batches of samples; how many were consumed is part of the checkpoint."""

    def __init__(self, samples: Sequence[Sample], *, batch_size: int, seed: int) -> None:
        super().__init__()
        if not samples:
            raise ValueError("samples is empty: there is nothing to train on")
        self.samples = samples
        self.batch_size = batch_size
        self.seed = seed
        self.batches_done = 0

    def batch(self, index: int) -> list[Sample]:
        """The batch at an index; under several processes, this process's equal share of it."""
        rank, world = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        indices = batch_indices(len(self.samples), self.batch_size, seed=self.seed, batch=index)
        return [self.samples[i] for i in indices[rank::world]]

    def train_dataloader(self) -> DataLoader[list[Sample]]:
        return DataLoader(_Batches(self), batch_size=None)

    def state_dict(self) -> dict[str, Any]:
        return {"batches_done": self.batches_done}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.batches_done = int(state_dict["batches_done"])
