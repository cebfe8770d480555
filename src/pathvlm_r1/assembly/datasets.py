"""From a dataset's configuration to its samples."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, cast, get_args

from hydra import compose, initialize_config_dir
from hydra.core.global_hydra import GlobalHydra
from omegaconf import DictConfig, OmegaConf

from pathvlm_r1.assembly.mixtures import mixed, mixed_results, sources_of
from pathvlm_r1.assembly.roles import load_published, read_published, split_reader
from pathvlm_r1.config import SEALED, BCCDConfig, ConfigError, DatasetConfig, MixtureConfig, PhantomConfig, Split
from pathvlm_r1.config.typed import checked
from pathvlm_r1.data import Sample
from pathvlm_r1.data.bccd import load_bccd, read_bccd
from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.data.rationale import Style
from pathvlm_r1.data.text_floor import text_only_floor

CONF = Path(__file__).resolve().parents[3] / "conf"
HASHED_PICTURES = 8  # questions of a split whose pictures enter its hash; the texts of all do

_log = logging.getLogger(__name__)


def load_samples(dataset: DatasetConfig, split: str) -> list[Sample]:
    """The samples of a split, or of the role development that a split file has; never those of a sealed test.

    Raises:
        DatasetError: a file that cannot be used, or no such split.
    """
    if split == SEALED:
        raise DatasetError(f"split={SEALED}: opened by src/eval.py alone, for a final result; take another split")
    return _samples(dataset, split)


def sealed_samples(dataset: DatasetConfig) -> list[Sample]:
    """Those of the sealed test, for `assembly/sealing.py`, which registers who sees them.

    Raises:
        DatasetError: the dataset has none, or a file that cannot be used.
    """
    return _samples(dataset, SEALED)


def _samples(dataset: DatasetConfig, split: str) -> list[Sample]:
    return loader_of(dataset, keeps=False)(split)


def loader_of(dataset: DatasetConfig, *, keeps: bool) -> Callable[[str], list[Sample]]:
    """Loads the samples of a split; one that keeps reads each published split once for several."""
    if isinstance(dataset, MixtureConfig):
        loaders = {name: loader_of(source, keeps=keeps) for name, source in mixture_sources(dataset).items()}
        return lambda split: mixed({name: load(split) for name, load in loaders.items()}, dataset.name)
    if isinstance(dataset, PhantomConfig | BCCDConfig):
        return partial(_own_samples, dataset)
    return partial(load_published, dataset, split_reader(dataset, keeps=keeps))


def _own_samples(dataset: PhantomConfig | BCCDConfig, split: str) -> list[Sample]:
    if split not in get_args(Split):
        raise DatasetError(
            f"dataset={dataset.name} has no split {split}: `python src/data.py task=split` makes one of a published set"
        )
    if isinstance(dataset, BCCDConfig):
        return load_bccd(split=split, **_of_bccd(dataset))
    source = PhantomSource(dataset.name, dataset.modality, dataset.seed, dataset.image_size, _style_shares(dataset))
    return source.samples(split, dataset.splits[split])


def _of_bccd(dataset: BCCDConfig) -> dict[str, Any]:
    """What its reader is told of every split."""
    return {
        "root": Path(dataset.root).expanduser(), "seed": dataset.seed, "style_shares": _style_shares(dataset),
        "rl_share": dataset.rl_share,
    }  # fmt: skip


def _style_shares(dataset: PhantomConfig | BCCDConfig) -> dict[str, float]:
    return {style.value: dataset.style_shares[style.value] for style in Style}  # a manifest sorts; draws go by order


def read_dataset(dataset: DatasetConfig) -> dict[str, ReadResult]:
    """Every split with its defects: the published ones of a published set, the roles of any other.

    Raises:
        DatasetError: a file that cannot be read at all.
    """
    if isinstance(dataset, MixtureConfig):
        sources = mixture_sources(dataset)
        return mixed_results({name: read_dataset(source) for name, source in sources.items()}, dataset.name)
    if isinstance(dataset, BCCDConfig):  # whose damaged photographs are named one by one, so that none ends it here
        return {role: ReadResult(read_bccd(split=role, **_of_bccd(dataset)).samples, []) for role in get_args(Split)}
    if isinstance(dataset, PhantomConfig):
        return {role: ReadResult(load_samples(dataset, role), []) for role in get_args(Split)}
    return read_published(dataset, split_reader(dataset, keeps=False))


def mixture_sources(mixture: MixtureConfig) -> dict[str, DatasetConfig]:
    """The configuration of every source of a mixture, from `conf/dataset` and what is changed of it.

    Raises:
        ConfigError: a name or a key that there is not, or a value that cannot be.
    """
    return sources_of(mixture, _values_of)


def named_dataset(named: str, key: str = "dataset.out_of_domain") -> DatasetConfig:
    """Another dataset of `conf/dataset`, as it stands there: `NAME`, or `NAME:ROOT` for one that is read from a folder.

    Args:
        named: one of the two.
        key: where it was asked for.

    Raises:
        ConfigError: there is none of that name, or it cannot be read from that root.
    """
    name, _, root = named.partition(":")
    values = _values_of(name, key)
    if root:
        values.root = root
    elif OmegaConf.is_missing(values, "root"):
        raise ConfigError(f"{key}: {name} is read from a folder; type {name}:FOLDER")
    return checked(cast("type[DatasetConfig]", DatasetConfig), values)


def _values_of(name: str, key: str) -> DictConfig:
    path = CONF / "dataset" / f"{name}.yaml"
    if not path.is_file():
        known = ", ".join(sorted(file.stem for file in path.parent.glob("*.yaml")))
        raise ConfigError(f"{key}: {name} is not a dataset; choose from {known}")
    return cast("DictConfig", OmegaConf.load(path))


def default_config() -> DictConfig:
    """What `src/train.py` is given without a word on the command line."""
    if GlobalHydra.instance().is_initialized():  # inside an entry point
        return compose("train")
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return compose("train")


def samples_hash(samples: Sequence[Sample]) -> str:
    """SHA-256 over every question and rationale, and the pixels of the first pictures."""
    digest = hashlib.sha256()
    for index, sample in enumerate(samples):
        fields = (sample.sample_id, sample.image_id, sample.question, *sample.options, sample.answer, sample.rationale)
        digest.update("\x1f".join(fields).encode())
        if index < HASHED_PICTURES:
            for image in sample.images:
                digest.update(image.load().tobytes())
    return digest.hexdigest()


def announce_floor(name: str, train: Sequence[Sample], test: Sequence[Sample]) -> None:
    """Say what the text alone would score, beside chance."""
    floor = text_only_floor(train, test)
    _log.info(
        "%s: without the picture, the option most often right elsewhere scores %.3f and the majority letter %.3f "
        "(chance %.3f, %d questions)",
        name, floor.option_text, floor.majority_letter, floor.chance, floor.questions,
    )  # fmt: skip
