"""The roles that questions have in a run, and where a dataset takes them from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from pathvlm_r1.config.rules import require, require_text, require_text_if_any
from pathvlm_r1.config.typed import Keys

Split = Literal["sft", "rl", "validation", "test"]
SplitSizes = Annotated[Mapping[str, int], Keys(lambda: get_args(Split))]
OfficialSplits = Annotated[Mapping[str, tuple[str, ...]], Keys(lambda: get_args(Split))]  # role -> published splits
Policy = Literal["stop", "drop"]  # with records that cannot be used: end, or count them and leave them out


def require_official(splits: Mapping[str, tuple[str, ...]], published: Sequence[str]) -> None:
    """Refuse published splits that a set does not have."""
    for role, names in splits.items():
        unknown = [name for name in names if name not in published]
        require(not unknown, f"dataset.splits.{role}", names, f"of the published splits {', '.join(published)}")


def require_place(name: str, root: str, split_file: str | None) -> None:
    """Refuse a dataset without a name or a place, or with an empty split file."""
    require_text(name, "dataset.name")
    require_text(root, "dataset.root")
    require_text_if_any(split_file, "dataset.split_file")
