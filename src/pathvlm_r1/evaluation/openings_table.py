"""How often sealed tests were opened, for the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.markdown_cells import markdown_table
from pathvlm_r1.evaluation.openings import Opening

OPENINGS_LEGEND = (
    "How often each checkpoint was shown a sealed test, by the register in the folder of the runs. Whatever was chosen "
    "after the first time may have been chosen by it."
)


@dataclass(frozen=True, kw_only=True)
class OpeningsRow:
    """How often one checkpoint was shown one sealed test."""

    dataset: str
    data_hash: str
    arm: str
    seed: int
    checkpoint_hash: str
    openings: int
    first: str
    last: str


def openings_rows(openings: Sequence[Opening]) -> list[OpeningsRow]:
    """One row for each sealed test and checkpoint, in the order in which they were first opened."""
    by_checkpoint = grouped(openings, lambda one: (one.dataset, one.data_hash, one.checkpoint_hash))
    return [
        OpeningsRow(
            dataset=same[0].dataset, data_hash=same[0].data_hash, arm=same[0].arm, seed=same[0].seed,
            checkpoint_hash=same[0].checkpoint_hash, openings=len(same), first=same[0].opened_at,
            last=same[-1].opened_at,
        )
        for same in by_checkpoint.values()
    ]  # fmt: skip


def openings_table(rows: Sequence[OpeningsRow]) -> str:
    """The rows in Markdown."""
    header = ["sealed test", "content", "arm", "seed", "checkpoint", "opened", "first", "last"]
    cells = [
        [
            row.dataset, row.data_hash[:8], row.arm, str(row.seed), row.checkpoint_hash[:12], _times(row.openings),
            row.first, row.last,
        ]
        for row in rows
    ]  # fmt: skip
    return markdown_table(header, cells)


def openings_sentences(rows: Sequence[OpeningsRow]) -> list[str]:
    """For each sealed test, how often it was opened, and by how many checkpoints."""
    return [
        f"sealed test of {dataset} ({data_hash[:8]}): opened {_times(sum(row.openings for row in of_test))}, "
        f"checkpoints that were shown it: {len(of_test)}, the last on {max(row.last for row in of_test)}"
        for (dataset, data_hash), of_test in grouped(rows, lambda row: (row.dataset, row.data_hash)).items()
    ]


def _times(openings: int) -> str:
    return "once" if openings == 1 else f"{openings} times"
