"""An encoder in closed form: a picture is what its sample's findings table says, a text is the phrase that it is."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from PIL import Image
from torch import Tensor

from pathvlm_r1.data import Sample


class TruthfulEncoder:
    """Similarity 1 / sqrt(number of phrases shown) for each phrase that is shown, 0 for all else.

    Args:
        samples: whose pictures and phrases it knows.
    """

    def __init__(self, samples: Sequence[Sample]) -> None:
        tables = [sample.findings for sample in samples if sample.findings is not None]
        phrases = {phrase.lower() for table in tables for phrase in table.shown | table.absent}
        self.places = {phrase: place for place, phrase in enumerate(sorted(phrases))}
        self.shown = {
            sample.images[0].load().tobytes(): [phrase.lower() for phrase in sample.findings.shown]
            for sample in samples
            if sample.findings is not None
        }
        self.encoded_images = 0

    def texts(self, texts: Sequence[str]) -> Tensor:
        """[N, D] one-hot; a text that is no phrase has a place of its own."""
        vectors = torch.zeros(len(texts), len(self.places) + 1)
        for row, text in enumerate(texts):
            vectors[row, self.places.get(text.lower(), len(self.places))] = 1.0
        return vectors

    def images(self, images: Sequence[Image.Image]) -> Tensor:
        """[N, D] equal parts of what is shown."""
        self.encoded_images += len(images)
        vectors = torch.zeros(len(images), len(self.places) + 1)
        for row, image in enumerate(images):
            for phrase in self.shown[image.tobytes()]:
                vectors[row, self.places[phrase]] = 1.0
        return vectors / vectors.norm(dim=-1, keepdim=True)
