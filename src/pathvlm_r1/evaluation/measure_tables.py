"""Tables of what is measured beside answers: forced choices, and grades by a language model."""

from __future__ import annotations

from collections.abc import Sequence

from pathvlm_r1.evaluation.forced_choice import ForcedChoiceRow
from pathvlm_r1.evaluation.markdown_cells import accuracy_cell, label, markdown_table
from pathvlm_r1.evaluation.quality import QualityRow

FORCED_LEGEND = (
    "The likeliest option letter, whatever the model would have written. Margins are in nats, the right letter against "
    "the others together; picture dependence is the margin with the picture less that with another question's, with "
    "its 95 % interval. Over all cyclic orders of the options: the accuracy, the bias to places (0 none, 1 - 1/n one "
    "place always), and the share of questions that keep to one option."
)
QUALITY_LEGEND = (
    "Six grades from 0 to 1 that a language model gave greedy answers, means over those that it graded with 95 % "
    "intervals; a star marks a judge that also rewarded the training. What a grade is worth is not measured here."
)


def forced_choice_table(rows: Sequence[ForcedChoiceRow]) -> str:
    """One row for every checkpoint, dataset and prefix."""
    header = [
        "arm", "seed", "dataset", "accuracy", "blank", "shuffled", "all orders", "margin", "picture dependence",
        "position bias", "one option",
    ]  # fmt: skip
    return markdown_table(
        header,
        [
            [
                row.stage, str(row.seed), _letters_of(row),
                accuracy_cell(row), f"{row.accuracy_blank:.3f}", f"{row.accuracy_shuffled:.3f}",
                f"{row.accuracy_orders:.3f}", f"{row.margin:+.3f}",
                f"{row.picture_dependence:+.3f}"
                + ("" if row.picture_low is None else f" [{row.picture_low:+.3f}, {row.picture_high:+.3f}]"),
                f"{row.position_bias:.3f}", f"{row.same_option:.3f}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _letters_of(row: ForcedChoiceRow) -> str:
    place = label((row.dataset, row.split))
    return f"{place} behind `{row.prefix}`" if row.prefix else place


def quality_table(rows: Sequence[QualityRow]) -> str:
    """One row for every checkpoint and dataset; a star marks a judge that also rewarded the training."""
    names = list(dict.fromkeys(name for row in rows for name in row.grades))
    shown = [name.replace("_", " ") for name in names]
    header = ["arm", "seed", "dataset", "judge", "accuracy", *shown, "tokens", "graded"]
    return markdown_table(
        header,
        [
            [
                row.stage, str(row.seed), label((row.dataset, row.split)), row.judge + "*" * row.is_rewarder,
                f"{row.accuracy:.3f}", *(_grade(row, name) for name in names), f"{row.mean_completion_tokens:.1f}",
                f"{row.graded} of {row.n}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _grade(row: QualityRow, name: str) -> str:
    if name not in row.grades:
        return "-"
    low, high = row.intervals[name]
    return f"{row.grades[name]:.3f} [{low:.3f}, {high:.3f}]"
