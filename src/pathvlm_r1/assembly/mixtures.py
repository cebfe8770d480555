"""A mixture's samples: those of its sources, each under the name of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import cast

from omegaconf import DictConfig

from pathvlm_r1.config import ConfigError, DatasetConfig, MixtureConfig, TrainConfig, unable_judges, unknown_key
from pathvlm_r1.config.typed import checked
from pathvlm_r1.data import Sample
from pathvlm_r1.data.defects import ReadResult
from pathvlm_r1.data.mixing import WeightedOrder, interleaved
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.evaluation import Prediction
from pathvlm_r1.stages import SourceCallback


def sources_of(mixture: MixtureConfig, values_of: Callable[[str, str], DictConfig]) -> dict[str, DatasetConfig]:
    """The configuration of every source.

    Args:
        mixture: the mixture.
        values_of: a dataset's name and the key that names it -> what stands in its file.

    Raises:
        ConfigError: there is none of a name, a change is not one of its keys, or it is a mixture itself.
    """
    return {name: _source(name, source.change or {}, values_of) for name, source in mixture.sources.items()}


def _source(name: str, change: Mapping[str, object], values_of: Callable[[str, str], DictConfig]) -> DatasetConfig:
    key = f"dataset.sources.{name}"
    values = values_of(name, key)
    if values.kind == "mixture":
        raise ConfigError(f"{key}: is a mixture itself; name its sources here")
    for changed, value in change.items():
        known = [str(one) for one in values]  # `in values` would not find a key that is still without a value
        if changed not in known:
            raise ConfigError(unknown_key(changed, f"{key}.change", known))
        values[changed] = value
    try:
        return checked(cast("type[DatasetConfig]", DatasetConfig), values)
    except ConfigError as error:
        raise ConfigError(f"{key}.change: {error}") from error


def mixed(loaded: Mapping[str, Sequence[Sample]], dataset: str) -> list[Sample]:
    """The samples of all sources, evenly spread.

    Args:
        loaded: by source.
        dataset: the mixture's name, which they get.
    """
    return interleaved([[_of_source(one, name, dataset) for one in samples] for name, samples in loaded.items()])


def mixed_results(read: Mapping[str, Mapping[str, ReadResult]], dataset: str) -> dict[str, ReadResult]:
    """What the readers of all sources found, by source and split."""
    return {
        f"{name}/{split}": ReadResult(
            [_of_source(sample, name, dataset) for sample in result.samples],
            [replace(defect, record=f"{name}/{defect.record}") for defect in result.defects],
        )
        for name, splits in read.items()
        for split, result in splits.items()
    }


def _of_source(sample: Sample, source: str, dataset: str) -> Sample:
    """With ids that no other source has."""
    return replace(
        sample, sample_id=f"{source}/{sample.sample_id}", image_id=f"{source}/{sample.image_id}", dataset=dataset,
        source=source,
    )  # fmt: skip


def training_stream(config: TrainConfig, samples: Sequence[Sample], *, batch_size: int) -> ItemStream:
    """The endless order of training: shuffled epochs, or a mixture's sources by weight."""
    if not isinstance(config.dataset, MixtureConfig):
        return ItemStream.shuffled(samples, batch_size=batch_size, seed=config.seed)
    by_source = {name: [one for one in samples if one.source == name] for name in config.dataset.sources}
    return ItemStream(WeightedOrder(by_source, config.dataset.weights, seed=config.seed), batch_size=batch_size)


def source_callbacks(config: TrainConfig) -> list[SourceCallback]:
    """What follows the sources of a mixture; nothing elsewhere."""
    return [SourceCallback(tuple(config.dataset.sources))] if isinstance(config.dataset, MixtureConfig) else []


def accuracy_by_source(samples: Sequence[Sample], answered: Sequence[Sequence[Prediction]]) -> dict[str, float]:
    """`source/<name>/accuracy` of answers to a mixture's questions; nothing of any other's."""
    right: dict[str, list[bool]] = {}
    for sample, decodes in zip(samples, answered, strict=True):
        if sample.source:
            right.setdefault(sample.source, []).extend(one.is_correct for one in decodes)
    return {f"source/{name}/accuracy": sum(known) / len(known) for name, known in right.items()}


def refuse_unjudged(config: TrainConfig, sources: Mapping[str, DatasetConfig]) -> None:
    """Refuse a judge that cannot score the process term on one of a mixture's sources.

    Raises:
        ConfigError: names the sources.
    """
    unable = {name: unable_judges(config.reward, config.judge, source) for name, source in sources.items()}
    if judges := sorted({judge for found in unable.values() for judge in found}):
        names = ", ".join(name for name, found in unable.items() if found)
        raise ConfigError(
            f"{', '.join(judges)}: cannot score the process term of reward={config.reward.name} on {names} of "
            f"dataset={config.dataset.name}; take judge=openai or judge=rules, or reward=accuracy_format"
        )
