"""From the records of a published dataset to the questions of a role, by official splits or by a split file."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import cache, partial
from pathlib import Path

from pathvlm_r1.assembly.readers import official_splits, read_split
from pathvlm_r1.config import SEALED, BCCDConfig, DatasetConfig, PathMMUConfig, PhantomConfig, PublishedConfig
from pathvlm_r1.data import Sample
from pathvlm_r1.data.defects import Defect, DefectKind, ReadResult
from pathvlm_r1.data.errors import MAX_LISTED, DatasetError
from pathvlm_r1.data.integrity import with_usable_pictures
from pathvlm_r1.data.records import asked, read_json

# What `task=split` calls a role; a file written by hand may have our own names. Nothing but the sealed test's own name
# leads to it, so that no `split=test` opens it unawares.
ROLE_IN_FILE = {"sft": "train_sft", "rl": "train_rl"}

Reader = Callable[[str], ReadResult]  # name of a published split -> its questions and defects

_log = logging.getLogger(__name__)


def load_published(dataset: PublishedConfig, read: Reader, role: str) -> list[Sample]:
    """The questions of a role; what is left out of it is logged by kind and number.

    Args:
        dataset: the set.
        read: its `split_reader`; other splits are read too, as no question may stand in those of two roles.
        role: of a run.

    Raises:
        DatasetError: the set has no such role, or under `dataset.policy=stop` a record cannot be used, or none can.
    """
    if dataset.split_file is None:
        result = _of_official_splits(dataset, read, role)
    else:
        result = _of_split_file(dataset, read, Path(dataset.split_file).expanduser(), role)
    return usable(with_usable_pictures(result), policy=dataset.policy, place=f"dataset={dataset.name}, {role}")


def split_reader(dataset: PublishedConfig, *, keeps: bool) -> Reader:
    """Reads published splits by their names; one that keeps them reads each once, and holds them all in memory."""
    read: Reader = partial(read_split, dataset)
    return cache(read) if keeps else read


def read_published(dataset: PublishedConfig, read: Reader) -> dict[str, ReadResult]:
    """Every published split with its defects, in order.

    Raises:
        DatasetError: a file that cannot be read, or another number of records than `dataset.expected_records`.
    """
    results = {split: read(split) for split in official_splits(dataset)}
    if isinstance(dataset, PathMMUConfig) and dataset.expected_records is not None:
        left_out = [defect for result in results.values() for defect in result.defects if defect.action != "warn"]
        found = sum(len(result.samples) for result in results.values()) + len(left_out)
        if found != dataset.expected_records:
            raise DatasetError(
                f"dataset={dataset.name}: {found} records in {', '.join(results)} of {', '.join(dataset.sources)}, and "
                f"dataset.expected_records={dataset.expected_records}. Fetch all of it, or give the right number."
            )
    return results


def usable(result: ReadResult, *, policy: str, place: str) -> list[Sample]:
    """The samples that are left under a policy; a record that is left out is never replaced by another.

    Args:
        result: what a reader found.
        policy: "stop" ends at any error; "drop" leaves such records out as it does those to be skipped.
        place: begins the message.

    Raises:
        DatasetError: an error under "stop", or nothing is left.
    """
    errors = [defect for defect in result.defects if defect.action == "error"]
    left_out = [defect for defect in result.defects if defect.action != "warn"]
    if errors and policy == "stop":
        advice = "Mend them, or leave them out and have them counted with dataset.policy=drop."
        raise DatasetError(f"{place}: {_listed(errors)}\n  {advice}")
    if not result.samples:
        raise DatasetError(f"{place}: no question can be used; {_listed(left_out)}")
    if left_out:
        share = f"{len(left_out)} of {len(result.samples) + len(left_out)} records left out"
        _log.warning("%s: %s: %s; the first: %s", place, share, _counted(left_out), left_out[0].message)
    kept = [defect for defect in result.defects if defect.action == "warn"]
    if kept:
        _log.warning("%s: kept with a warning: %s; the first: %s", place, _counted(kept), kept[0].message)
    return result.samples


def _of_official_splits(dataset: PublishedConfig, read: Reader, role: str) -> ReadResult:
    """Those that the configuration gives to the role, without what stands in the splits of other roles too."""
    names = dataset.splits.get(role, ())  # development and sealed_test are made, never published
    if not names:
        raise DatasetError(
            f"dataset={dataset.name} is published without a split for {role}: divide what there is with "
            f"`python src/data.py task=split dataset={dataset.name} out=FILE` and give dataset.split_file=FILE"
        )
    if isinstance(dataset, PathMMUConfig) and dataset.expected_records is not None:
        read = read_published(dataset, read).__getitem__  # which counts them
    others = dict.fromkeys(name for listed in dataset.splits.values() for name in listed if name not in names)
    return _without_shared(merged([read(name) for name in names]), _questions_elsewhere(dataset, tuple(others), read))


def _questions_elsewhere(
    dataset: PublishedConfig, splits: Sequence[str], read: Reader
) -> dict[tuple[object, ...], str]:
    """What is asked in other splits -> the first record that asks it; a split that is not here is not compared."""
    found: dict[tuple[object, ...], str] = {}
    for split in splits:
        try:
            result = read(split)
        except DatasetError as error:
            _log.info("%s is not compared with split %s: %s", dataset.name, split, error)
            continue
        for sample in result.samples:
            found.setdefault(asked(sample), sample.sample_id)
    return found


def _without_shared(result: ReadResult, elsewhere: Mapping[tuple[object, ...], str]) -> ReadResult:
    shared = {sample.sample_id: elsewhere[asked(sample)] for sample in result.samples if asked(sample) in elsewhere}
    defects = [
        Defect(
            record, "", DefectKind.QUESTION_IN_TWO_SPLITS, f"{record} asks what {other} asks in another split", "error"
        )
        for record, other in shared.items()
    ]
    kept = [sample for sample in result.samples if sample.sample_id not in shared]
    return ReadResult(kept, [*result.defects, *defects])


def _of_split_file(dataset: PublishedConfig, read: Reader, path: Path, role: str) -> ReadResult:
    """The records that a split file gives to the role, in its order, without what other roles of the file ask too.

    Raises:
        DatasetError: no such role, an id twice, or one that the dataset does not have.
    """
    ids, others = _role_ids(path, role)
    whole = merged(list(read_published(dataset, read).values()))
    by_id = {sample.sample_id: sample for sample in whole.samples}
    named = set(ids)
    defects = [defect for defect in whole.defects if defect.record in named]
    unknown = sorted(named - set(by_id) - {defect.record for defect in defects})
    if unknown:
        raise DatasetError(
            f"dataset.split_file {path}: {len(unknown)} of the {len(ids)} ids of {role} are not in "
            f"dataset={dataset.name}, the first: {unknown[0]}. Was it made for this dataset, with the same sources?"
        )
    elsewhere = {asked(by_id[one]): one for one in others if one in by_id}
    return _without_shared(ReadResult([by_id[one] for one in ids if one in by_id], defects), elsewhere)


def roles_in_file(dataset: DatasetConfig) -> dict[str, list[str]]:
    """Role -> the ids that `dataset.split_file` gives it; nothing where there is no such file.

    Raises:
        DatasetError: the file cannot be read, or is none of that kind.
    """
    if isinstance(dataset, PhantomConfig | BCCDConfig) or dataset.split_file is None:
        return {}
    return _read_roles(Path(dataset.split_file).expanduser())


def _read_roles(path: Path) -> dict[str, list[str]]:
    content = read_json(path)
    roles = content.get("roles") if isinstance(content, dict) else None
    if not isinstance(roles, dict) or not all(_is_id_list(ids) for ids in roles.values()):
        raise DatasetError(
            f'dataset.split_file {path}: not {{"roles": {{role: [ids]}}}}. Make it with `src/data.py task=split`.'
        )
    return roles


def _role_ids(path: Path, role: str) -> tuple[list[str], list[str]]:
    """The ids of the role, and those of all the others."""
    roles = _read_roles(path)
    name = role if role in roles else ROLE_IN_FILE.get(role, role)
    if name not in roles:
        is_sealed = role == "test" and SEALED in roles
        advice = f"; {SEALED} is opened by src/eval.py split={SEALED} alone, look at split=development" * is_sealed
        raise DatasetError(f"dataset.split_file {path}: no role {role}; it has {', '.join(roles)}{advice}")
    places = Counter(one for ids in roles.values() for one in ids)
    twice = [one for one, count in places.items() if count > 1]
    if twice:
        raise DatasetError(f"dataset.split_file {path}: {len(twice)} ids stand in it twice, the first: {twice[0]}")
    return roles[name], [one for other, ids in roles.items() if other != name for one in ids]


def _is_id_list(value: object) -> bool:
    return isinstance(value, list) and all(isinstance(one, str) for one in value)


def merged(results: Collection[ReadResult]) -> ReadResult:
    """Several results as one."""
    return ReadResult(
        [sample for result in results for sample in result.samples],
        [defect for result in results for defect in result.defects],
    )


def _counted(defects: Sequence[Defect]) -> str:
    return ", ".join(f"{count} {kind}" for kind, count in Counter(d.defect.value for d in defects).most_common())


def _listed(defects: Sequence[Defect]) -> str:
    """How many, of which kinds, and the first ones a line each."""
    lines = [f"{len(defects)} records cannot be used ({_counted(defects) or 'there is no record'})"]
    lines += [f"{defect.file} {defect.record}: {defect.message}".strip() for defect in defects[:MAX_LISTED]]
    if len(defects) > MAX_LISTED:
        lines.append(f"... and {len(defects) - MAX_LISTED} more")
    return "\n  ".join(lines)
