"""The roles that questions have in a run, and where a dataset takes them from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal, get_args

from omegaconf import DictConfig

from pathvlm_r1.config.rules import require, require_text, require_text_if_any
from pathvlm_r1.config.typed import Keys

Split = Literal["sft", "rl", "validation", "test"]
OpenSplit = Literal[Split, "development"]  # to work with; a split file alone has the last one
ScoredSplit = Literal[OpenSplit, "sealed_test"]  # only `src/eval.py` opens the last one, for a final measurement
SEALED = "sealed_test"
SplitSizes = Annotated[Mapping[str, int], Keys(lambda: get_args(Split))]
OfficialSplits = Annotated[Mapping[str, tuple[str, ...]], Keys(lambda: get_args(Split))]  # role -> published splits
Policy = Literal["stop", "drop"]  # with records that cannot be used: end, or count them and leave them out


def require_official(splits: Mapping[str, tuple[str, ...]], published: Sequence[str]) -> None:
    """Refuse published splits that a set does not have."""
    for role, names in splits.items():
        unknown = [name for name in names if name not in published]
        require(not unknown, f"dataset.splits.{role}", names, f"of the published splits {', '.join(published)}")


def refuse_sealed_sweep(composed: DictConfig, *, is_sweep: bool) -> None:
    """Refuse to try several settings on a sealed test: a sweep compares, and what compares chooses.

    Raises:
        ConfigError: it was asked for.
    """
    rule = "not in a sweep (-m), which compares settings; choose on split=validation, then open it once for the result"
    require(not (is_sweep and composed.get("split") == SEALED), "split", SEALED, rule)


def require_place(name: str, root: str, split_file: str | None) -> None:
    """Refuse a dataset without a name or a place, or with an empty split file."""
    require_text(name, "dataset.name")
    require_text(root, "dataset.root")
    require_text_if_any(split_file, "dataset.split_file")
