"""`task=verify`: every picture and record of a dataset opened, and what is wrong with each, as a table and as JSON."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich import get_console
from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.assembly.data_reading import verified
from pathvlm_r1.assembly.out_files import out_file
from pathvlm_r1.assembly.roles import roles_in_file
from pathvlm_r1.assembly.verified_sets import split_hashes
from pathvlm_r1.config import Policy, VerifyConfig
from pathvlm_r1.data.defects import Defect
from pathvlm_r1.data.errors import MAX_LISTED
from pathvlm_r1.data.integrity import Verified, counted
from pathvlm_r1.tracking import say, write_json

STOPPED = 1  # the status where policy=stop found a defect


def verify_dataset(config: VerifyConfig) -> int:
    """Verify a dataset, show what was found, and write what `out` asks for.

    Returns:
        The status: `STOPPED` where the policy is to stop and a record has a defect or, if asked, a warning, and under
        any policy where nothing is left of a split or a role; else 0.

    Raises:
        ConfigError, DatasetError, TrackingError: `out` or the split file cannot be used; before a picture is opened.
    """
    out = out_file(config.out, example="defects.json")
    roles = roles_in_file(config.dataset)
    result = verified(config.dataset, workers=config.workers, with_look=False)
    show_findings(config.dataset.name, config.policy, result)
    if out is not None:
        write_json(out, as_json(config, result))
    if empty := _emptied(result, roles):
        say(
            f"error: nothing is left of {', '.join(empty)} of dataset={config.dataset.name}: mend the records above, "
            "or take it out of dataset.splits or of the split file"
        )
        return STOPPED
    if config.stop_at == "warning" and result.warnings:
        return STOPPED
    return status_of(config.policy, result)


def _emptied(result: Verified, roles: Mapping[str, Sequence[str]]) -> list[str]:
    """The splits that were read, and the roles of a split file, of which no record can be used."""
    kept = {sample.sample_id for sample in result.samples}
    splits = [f"split {split}" if split else "any split" for split, samples in result.splits.items() if not samples]
    return splits + [f"role {role}" for role, ids in roles.items() if ids and kept.isdisjoint(ids)]


def status_of(policy: Policy, result: Verified) -> int:
    """`STOPPED` where a defect stops, else 0."""
    return STOPPED if result.defects and policy == "stop" else 0


def as_json(config: VerifyConfig, result: Verified) -> dict[str, object]:
    """All defects and warnings, with the counts, the hash of what is left, and that of each split as runs carry it."""
    return {
        "dataset": config.dataset.name,
        "policy": config.policy,
        "hash": result.hash,
        "splits": split_hashes(config.dataset),
        "counts": counts_of(result),
        "defects": [asdict(defect) for defect in result.defects],
        "warnings": [asdict(defect) for defect in result.warnings],
    }


def counts_of(result: Verified) -> dict[str, object]:
    """Records by what became of them, and how many have which defect."""
    dropped = {defect.record for defect in result.defects}
    kept = {split: len(samples) for split, samples in result.splits.items()}
    return {
        "records": sum(kept.values()) + len(dropped),
        "kept": sum(kept.values()),
        "kept_by_split": kept,
        "dropped": len(dropped),
        "pictures": result.pictures,
        "defects": counted(result.defects),
        "warnings": counted(result.warnings),
    }


def show_findings(dataset: str, policy: Policy, result: Verified) -> None:
    """The first defects and warnings as tables, and the counts of all."""
    console = get_console()
    for title, defects in (("defects", result.defects), ("warnings, records that are kept", result.warnings)):
        if defects:
            console.print(f"{title}:", markup=False)
            console.print(_table(defects))
    say(*_sentences(dataset, policy, result))


def _table(defects: Sequence[Defect]) -> Table:
    table = Table("record", "defect", "what is wrong", box=SIMPLE, pad_edge=False)
    for defect in defects[:MAX_LISTED]:
        table.add_row(*map(_plain, (defect.record, defect.defect, defect.message)))
    if len(defects) > MAX_LISTED:
        table.add_row(f"and {len(defects) - MAX_LISTED} more", "", "out=FILE has them all")
    return table


def _plain(text: str) -> str:
    return text.replace("[", r"\[")  # a file name is no markup


def _sentences(dataset: str, policy: Policy, result: Verified) -> list[str]:
    counts = counts_of(result)
    dropped = len({defect.record for defect in result.defects})
    became = "would be left out" if policy == "stop" else "are left out, and nothing takes their place"
    lines = [f"{dataset}: {counts['records']} records, {result.pictures} pictures, hash {result.hash[:16]}"]
    lines += [f"  {title}: {_listed(kinds)}" for title, kinds in _kinds(result).items() if kinds]
    if dropped:
        lines.append(f"  {dropped} records {became}; {counts['kept']} can be used")
    else:
        lines.append("  no record has a defect")
    return lines


def _kinds(result: Verified) -> dict[str, Mapping[str, int]]:
    return {"defects": counted(result.defects), "warnings": counted(result.warnings)}


def _listed(kinds: Mapping[str, int]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in kinds.items())
