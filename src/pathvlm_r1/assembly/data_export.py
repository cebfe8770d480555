"""`task=export`: a split of a dataset, with its pictures, in the form of another program."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pathvlm_r1.assembly.datasets import load_samples
from pathvlm_r1.config import ConfigError, ExportConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import MAX_LISTED, DatasetError
from pathvlm_r1.data.exporting import (
    TABLE_FORMATS,
    TASK_MODULE,
    PictureFile,
    dataset_info,
    llama_factory_row,
    lmms_eval_task,
    picture_file,
    unreadable,
    write_table,
)
from pathvlm_r1.data.records import asked, read_json
from pathvlm_r1.tracking import ensure_writable, progress_over, say, write_atomically, write_bytes, write_json

INFO = "dataset_info.json"
_READER = {"llama_factory": "llama_factory", "trl": "trl"}  # dataset= that reads a target; of the others: parquet


def export_dataset(config: ExportConfig) -> int:
    """Write a split, pictures first and the file that names them last, and say how it is read.

    Returns:
        The status, 0.

    Raises:
        ConfigError, TrackingError: `out` cannot be used, or has the split already; before a record is read.
        DatasetError: under policy=stop, a record that would not be read back as it is, or a damaged picture.
    """
    folder = Path(config.out).expanduser()
    export = _Export(config, folder)
    _require_free(export)
    ensure_writable(folder)
    samples = export.readable(load_samples(config.dataset, config.split)[: config.n])
    if config.target == "llama_factory":
        _write_dialogues(export, samples)
    else:
        _write_rows(export, samples)
    _say(export)
    return 0


@dataclass
class _Export:
    """What is written where, and what was left out."""

    config: ExportConfig
    folder: Path
    left_out: dict[str, str] = field(default_factory=dict)  # record -> why
    written: int = 0
    _asked: dict[tuple[object, ...], str] = field(default_factory=dict)  # what was written -> its record

    @property
    def file(self) -> Path:
        """That of the records."""
        return self.folder / f"{self.config.split}.{'json' if self.config.target == 'llama_factory' else 'parquet'}"

    def readable(self, samples: Sequence[Sample]) -> list[Sample]:
        """The samples that come back as they go out."""
        faults = {sample.sample_id: unreadable(sample) for sample in samples}
        found = {record: fault for record, fault in faults.items() if fault is not None}
        if found and self.config.policy == "stop":
            listed = [f"{record}: {fault}" for record, fault in list(found.items())[:MAX_LISTED]]
            more = [f"... and {len(found) - MAX_LISTED} more"] if len(found) > MAX_LISTED else []
            count = f"{len(found)} of {len(samples)} records would not be read back as they are"
            advice = "Mend them, or leave them out with policy=drop."
            raise DatasetError("\n  ".join([f"dataset={self.config.dataset.name}: {count}", *listed, *more, advice]))
        self.left_out |= found
        return [sample for sample in samples if sample.sample_id not in found]

    def with_pictures(self, samples: Sequence[Sample]) -> Iterator[tuple[Sample, list[PictureFile]]]:
        """Every sample with the files of its pictures, one at a time in memory.

        Raises:
            DatasetError: under policy=stop, a picture that is damaged.
        """
        for sample in progress_over(samples, f"{self.config.dataset.name}: pictures", len(samples)):
            try:
                pictures = [picture_file(image) for image in sample.images]
            except DatasetError as fault:
                if self.config.policy == "stop":
                    raise DatasetError(f"{sample.sample_id}: {fault} Or leave it out with policy=drop.") from fault
                self.left_out[sample.sample_id] = str(fault)
                continue
            if (twin := self._twin(sample, pictures)) is not None:
                message = f"asks what {twin} asks of the same picture, in another file"
                self.left_out[sample.sample_id] = message  # under both policies, as a question that is asked twice
                continue
            self.written += 1
            yield sample, pictures

    def _twin(self, sample: Sample, pictures: Sequence[PictureFile]) -> str | None:
        """The record that asked the same of the same content before."""
        names = "+".join(picture.name for picture in pictures)
        earlier = self._asked.setdefault(asked(replace(sample, image_id=names)), sample.sample_id)
        return None if earlier == sample.sample_id else earlier


def _require_free(export: _Export) -> None:
    if export.folder.exists() and not export.folder.is_dir():
        raise ConfigError(f"out={export.config.out}: is a file; name a folder")
    entry = export.config.target == "llama_factory" and export.config.split in _info(export.folder)
    if export.file.exists() or entry:
        raise ConfigError(
            f"out={export.config.out}: has {export.config.split} already, in {export.file.name}; name another folder, "
            "or remove it"
        )


def _info(folder: Path) -> Mapping[str, object]:
    """The entries of dataset_info.json that are there.

    Raises:
        DatasetError: it is something else.
    """
    if not (folder / INFO).exists():
        return {}
    found = read_json(folder / INFO)
    if not isinstance(found, dict):
        raise DatasetError(f"{folder / INFO}: not an object of datasets; name another folder with out=")
    return found


def _write_dialogues(export: _Export, samples: Sequence[Sample]) -> None:
    rows = []
    for sample, pictures in export.with_pictures(samples):
        for picture in pictures:
            if not (export.folder / picture.name).exists():  # named by its content
                write_bytes(export.folder / picture.name, picture.content)
        rows.append(llama_factory_row(sample, pictures))
    write_json(export.file, rows)
    write_json(export.folder / INFO, {**_info(export.folder), export.config.split: dataset_info(export.file.name)})


def _write_rows(export: _Export, samples: Sequence[Sample]) -> None:
    form = TABLE_FORMATS[export.config.target]
    write_atomically(export.file, lambda partial: write_table(partial, form, export.with_pictures(samples)))
    if export.config.target == "lmms_eval":
        name = f"{export.config.dataset.name}_{export.config.split}"
        write_bytes(export.folder / TASK_MODULE.name, TASK_MODULE.read_bytes())
        task = lmms_eval_task(name, export.file.resolve(), export.config.split)
        write_bytes(export.folder / f"{name}.yaml", task.encode())


def _say(export: _Export) -> None:
    config = export.config
    split = config.split if config.target == "llama_factory" else export.file.name
    roles = ", ".join(
        f"{role}: [{split if role == config.split else ''}]" for role in ("sft", "rl", "validation", "test")
    )
    say(
        f"{export.file}: {export.written} questions of {config.dataset.name}, {config.split}, for {config.target}",
        *(f"  left out {record}: {why}" for record, why in list(export.left_out.items())[:MAX_LISTED]),
        *([f"  {len(export.left_out)} records left out, nothing takes their place"] if export.left_out else []),
        f"  read here with dataset={_READER.get(config.target, 'parquet')} dataset.root={export.folder} "
        f"'dataset.splits={{{roles}}}'",
    )
