"""The features of pictures under a vision tower that does not train: kept in memory, and on disk where asked for."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

Encode = Callable[[Sequence[Tensor], Sequence[Tensor]], list[Tensor]]  # of patches and grids
Write = Callable[[Path, Callable[[Path], None]], None]  # a file that is either whole or not there


class FeatureCache:
    """Vision features by picture, least recently used first out."""

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self._features: OrderedDict[str, Tensor] = OrderedDict()

    def get(self, key: str | None) -> Tensor | None:
        if key is None or key not in self._features:
            return None
        self._features.move_to_end(key)
        return self._features[key]

    def put(self, key: str | None, features: Tensor) -> None:
        if key is None or self.pictures == 0:
            return
        self._features[key] = features
        if len(self._features) > self.pictures:
            self._features.popitem(last=False)


class FeatureFolder:
    """Vision features that outlive a run: a file for each picture, named by what decides its features.

    That is the content of the picture after resizing and normalising, so that another picture under an old name, or
    another setting of the processor, never finds the wrong file; and the tower's weights with their type.

    Args:
        folder: may hold the features of several towers.
        tower: whose features they are.
        write: how a file is written.
    """

    def __init__(self, folder: Path, tower: nn.Module, write: Write) -> None:
        self.folder = folder / _digest(*(tensor for _, tensor in sorted(tower.state_dict().items())))
        self._write = write

    def features(self, patches: Sequence[Tensor], grids: Sequence[Tensor], encode: Encode) -> list[Tensor]:
        """The features [tokens, D] of pictures; those that are not here are encoded together, and then they are.

        Args:
            patches: of each picture, [patches, values].
            grids: of each picture, [3].
            encode: the tower.
        """
        paths = [self.folder / f"{_digest(*picture)}.safetensors" for picture in zip(patches, grids, strict=True)]
        missing = [index for index, path in enumerate(paths) if not path.is_file()]
        made = encode([patches[index] for index in missing], [grids[index] for index in missing])
        for index, features in zip(missing, made, strict=True):
            self._save(paths[index], features)
        encoded = dict(zip(missing, made, strict=True))
        return [encoded[index] if index in encoded else load_file(path)["features"] for index, path in enumerate(paths)]

    def _save(self, path: Path, features: Tensor) -> None:
        own = features.detach().cpu().clone()  # a view would write all that it is a view of
        self._write(path, lambda partial: save_file({"features": own}, partial))


def _digest(*tensors: Tensor) -> str:
    """SHA-256 of values, shapes and types."""
    digest = hashlib.sha256()
    for tensor in tensors:
        digest.update(f"{tensor.dtype} {list(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().data)
    return digest.hexdigest()
