"""An independent reader of pictures: ridge regression on statistics of their light at several scales."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomImage

BLURS = (0.0, 0.7, 1.4, 2.8, 5.6)  # pixels
QUANTILES = (0.005, 0.02, 0.1, 0.3, 0.5, 0.7, 0.9, 0.98, 0.995)
THINNED = 3  # one pixel in three is counted; no divisor of 112, so that they lie in every column
RIDGE = 30.0
_LOGARITHM = np.log(np.arange(256, dtype=np.float32) + 8)


def accuracies(modality: str, *, train: int, test: int, size: int = 112) -> dict[str, float]:
    """Per attribute, the share of unseen pictures whose finding the probe names; findings are uniform."""
    shown = [_drawn_findings(modality, index) for index in range(train + test)]
    pictures = [PhantomImage(modality, f, (5, index), size).load() for index, f in enumerate(shown)]
    features = np.array([_features(picture) for picture in pictures])
    features = (features - features[:train].mean(0)) / (features[:train].std(0) + 1e-6)
    return {
        attribute: _accuracy(features, [list(phrases).index(f[attribute]) for f in shown], train)
        for attribute, phrases in ONTOLOGIES[modality].findings.items()
    }


def _drawn_findings(modality: str, index: int) -> Mapping[str, str]:
    random = np.random.default_rng((6, index))
    return {name: str(random.choice(list(phrases))) for name, phrases in ONTOLOGIES[modality].findings.items()}


def _accuracy(features: NDArray[np.float64], labels: Sequence[int], train: int) -> float:
    targets = np.eye(max(labels) + 1)[labels]
    x, y = features[:train], targets[:train] - targets[:train].mean(0)
    weights = np.linalg.solve(x.T @ x + RIDGE * np.eye(x.shape[1]), x.T @ y)
    chosen = (features[train:] @ weights + targets[:train].mean(0)).argmax(1)
    return float((chosen == np.asarray(labels[train:])).mean())


def _features(picture: Image.Image) -> NDArray[np.float64]:
    """Quantiles of every channel at several blurs, and of the differences between neighbouring blurs."""
    return np.concatenate(list(_statistics(picture)))


def _statistics(picture: Image.Image) -> Iterator[NDArray[np.float64]]:
    finer = None
    for blur in BLURS:
        blurred = picture.filter(ImageFilter.GaussianBlur(blur)) if blur else picture
        light = _LOGARITHM[np.asarray(blurred).reshape(-1, 3)[::THINNED]]
        yield _quantiles(light)
        yield np.cov(light.T).ravel()
        if finer is not None:
            yield _quantiles(finer - light)
            yield np.abs(finer - light).mean(0)
        finer = light


def _quantiles(values: NDArray[np.float32]) -> NDArray[np.float32]:
    places = (np.array(QUANTILES) * len(values)).astype(int)
    return np.sort(values, axis=0)[places].ravel()
