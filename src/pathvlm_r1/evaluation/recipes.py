"""Runs that no table can hold together: of one arm and seed, and of several recipes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.tracking import Manifest, RunFolder

_ADVICE = "Leave one of each there and move the others to another folder; the next time give output= or stage.arm=."
_PLACES = ("output", "logger", "resume")  # where a run goes says nothing of what it is
_MAX_LISTED = 5


def several_recipes(runs: Iterable[tuple[RunFolder, Manifest]]) -> str | None:
    """Which runs of one arm and seed differ in configuration or data, in what, and what to do; None where none do."""
    groups = grouped(runs, lambda one: (one[1].arm, one[1].seeds["seed"]))
    found = [
        f"{arm}, seed {seed}: {', '.join(str(run.path) for run, _ in same)} ({_differences([m for _, m in same])})"
        for (arm, seed), same in groups.items()
        if len({manifest.content_hash for _, manifest in same}) > 1
    ]
    title = "runs of one arm and seed that differ in configuration or data:"
    return "\n  ".join([title, *found, _ADVICE]) if found else None


def _differences(manifests: Iterable[Manifest]) -> str:
    settings = [dict(_flat(manifest.config, "")) | {"data": manifest.data.hash[:12]} for manifest in manifests]
    keys = dict.fromkeys(key for one in settings for key in one if key.split(".")[0] not in _PLACES)
    differing = {key: [str(one.get(key, "-")) for one in settings] for key in keys}
    listed = [f"{key}={'|'.join(values)}" for key, values in differing.items() if len(set(values)) > 1]
    more = [f"{len(listed) - _MAX_LISTED} more"] * (len(listed) > _MAX_LISTED)
    return ", ".join([*listed[:_MAX_LISTED], *more]) or "of other versions of this package"


def _flat(values: Mapping[str, Any], group: str) -> Iterator[tuple[str, Any]]:
    """Dotted keys and their values."""
    for name, value in values.items():
        key = f"{group}.{name}" if group else str(name)
        if isinstance(value, Mapping):
            yield from _flat(value, key)
        else:
            yield key, value
