"""Rendering a summary as text: report.md, and the table in the terminal."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.contract import THINK_ANSWER
from pathvlm_r1.evaluation.collecting import grouped
from pathvlm_r1.evaluation.comparing_arms import Comparison
from pathvlm_r1.evaluation.costs import TrainingCost
from pathvlm_r1.evaluation.forced_choice import ForcedChoiceRow
from pathvlm_r1.evaluation.quality import QualityRow
from pathvlm_r1.evaluation.summary import ArmMean, Summary, TypeRow, VariantRow
from pathvlm_r1.evaluation.tables import ResultRow

DISCLAIMER = (
    "Phantoms and the nano model are stand-ins for pathology images and Qwen2.5-VL: nothing here is a medical claim."
)
Place = tuple[str, str]  # dataset and split


def markdown(summary: Summary) -> str:
    """The whole of report.md."""
    sections = [
        "# Report",
        DISCLAIMER,
        *_section("Arms", _arms_legend(summary), _arms_table(summary)),
        *_section("Comparisons", _COMPARISONS_LEGEND, "\n".join(map(sentence, summary.comparisons))),
        *_section("By question type", _types_legend(summary), _types_table(summary)),
        *_section("By option log-probability", _LETTERS_LEGEND, _letters_table(summary)),
        *_section("Forced choice", _FORCED_LEGEND, _forced_table(summary.forced_choices)),
        *_section("Quality of answers", _QUALITY_LEGEND, _quality_table(summary.qualities)),
        *_section("Controls", _CONTROLS_LEGEND, _variants_table(summary.controls)),
        *_section("Sampled", _SAMPLED_LEGEND, _variants_table(summary.sampled)),
        *_section("Other contracts", _contracts_legend(summary), _variants_table(summary.contracts)),
        *_section("Cost of training", _COSTS_LEGEND, _costs_table(summary.costs)),
        *_section("Notes", "", "\n".join(f"- {note}" for note in summary.notes)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def sentence(comparison: Comparison) -> str:
    """One comparison in words and numbers."""
    c = comparison
    verdict = "higher" if c.ci_low > 0 else "lower" if c.ci_high < 0 else "not told apart"
    line = (
        f"- **{c.b} against {c.a}**, {_label((c.dataset, c.split))}, {c.metric}: {c.b} is {verdict}, "
        f"{c.difference:+.3f} [{c.ci_low:+.3f}, {c.ci_high:+.3f}], p {c.p:.2g} ({c.n} questions; "
    )
    if c.hierarchical_low is None or c.hierarchical_high is None:
        return f"{line}{c.b} seed {c.seeds[0]})."
    each = ", ".join(f"{seed}: {of_seed:+.3f}" for seed, of_seed in zip(c.seeds, c.seed_differences, strict=True))
    return f"{line}by seed {each}; seeds resampled too: [{c.hierarchical_low:+.3f}, {c.hierarchical_high:+.3f}])."


def terminal_table(summary: Summary) -> Table:
    """One row per arm, on average over its seeds; five datasets fit into 80 columns."""
    caption = f"greedy, accuracy with 95 % intervals; last columns on {_label(_home(summary))}\n{DISCLAIMER}"
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=0, caption=caption, caption_justify="left")
    header = ["arm", *map(_label, _places(summary)), *_DETAILS]
    for index, name in enumerate(header):
        table.add_column(_NARROW.sub("\n", name), justify="left" if index == 0 else "right", overflow="fold")
    for stage, means in grouped(summary.arms, lambda mean: mean.stage).items():
        table.add_row(_NARROW.sub("\n", stage), *map(_stacked, _cells(summary, means)))
    return table


_NARROW = re.compile("[_ ]")  # where a name may go on in the next line
_DETAILS = ("format", "process", "tokens", "cap hits")
_COMPARISONS_LEGEND = (
    "The arm named first minus the other on the same questions, averaged over the seeds; in brackets the 95 % interval "
    "when images are resampled, which is conditional on these seeds, then its p. Seeds are resampled too where there "
    "are several."
)
_LETTERS_LEGEND = (
    "The base model has never seen the tags: beside what the parser reads in its text stands the option letter that "
    "it finds most probable."
)
_FORCED_LEGEND = (
    "The likeliest option letter, whatever the model would have written. Margins are in nats, the right letter against "
    "the others together; picture dependence is the margin with the picture less that with another question's, with "
    "its 95 % interval. Over all cyclic orders of the options: the accuracy, the bias to places (0 none, 1 - 1/n one "
    "place always), and the share of questions that keep to one option."
)
_QUALITY_LEGEND = (
    "Six grades from 0 to 1 that a language model gave greedy answers, means over those that it graded with 95 % "
    "intervals; a star marks a judge that also rewarded the training. What a grade is worth is not measured here."
)
_CONTROLS_LEGEND = "The same questions with grey pictures (blank), or each with the picture of another (shuffled)."
_COSTS_LEGEND = (
    "Completions are those that GRPO sampled, and the reference completions that SFT read; seconds are those of the "
    "whole run, its validations and export included."
)
_SAMPLED_LEGEND = "Several decodes per question at a temperature above 0."


def _arms_legend(summary: Summary) -> str:
    return (
        "Accuracy per dataset with greedy decoding and 95 % intervals; trained on "
        f"{summary.in_domain}, the others are out of domain. Format rate, process score, mean completion length in "
        f"tokens and completions that hit the token limit are those on {_label(_home(summary))}."
    )


def _types_legend(summary: Summary) -> str:
    return f"Accuracy on {_label(_home(summary))} with 95 % intervals, on average over the seeds."


def _arms_table(summary: Summary) -> str:
    header = ["arm", "seed", *map(_label, _places(summary)), *_DETAILS]
    rows = []
    for stage, means in grouped(summary.arms, lambda mean: mean.stage).items():
        by_seed = grouped((row for row in summary.rows if row.stage == stage), lambda row: row.seed)
        rows += [[stage, str(seed), *_cells(summary, of_seed)] for seed, of_seed in by_seed.items()]
        if len(by_seed) > 1:
            rows.append([f"**{stage}**", f"mean of {len(by_seed)}", *_cells(summary, means)])
    return _table(header, rows)


def _cells(summary: Summary, means: Sequence[ArmMean] | Sequence[ResultRow]) -> list[str]:
    """Accuracy on every dataset, then the details of the one that was trained on."""
    at = {(mean.dataset, mean.split): mean for mean in means}
    accuracies = [_accuracy(at[place]) if place in at else "-" for place in _places(summary)]
    home = at.get(_home(summary))
    if home is None:
        return [*accuracies, *("-" for _ in _DETAILS)]
    process = "-" if home.process_score is None else f"{home.process_score:.3f}"
    return [
        *accuracies, f"{home.format_rate:.3f}", process, f"{home.mean_completion_tokens:.1f}", f"{home.cap_hits:.4g}",
    ]  # fmt: skip


def _types_table(summary: Summary) -> str:
    at_home = [row for row in summary.types if (row.dataset, row.split) == _home(summary)]
    arms = list(dict.fromkeys(row.stage for row in at_home))
    by_type = grouped(at_home, lambda row: row.question_type)
    rows = []
    for question_type, of_type in by_type.items():
        found = {row.stage: _accuracy(row) for row in of_type}
        rows.append([question_type, *(found.get(arm, "-") for arm in arms)])
    return _table(["question type", *arms], rows)


def _letters_table(summary: Summary) -> str:
    return _table(
        ["arm", "dataset", "parser", "option log-probability"],
        [
            [row.stage, _label((row.dataset, row.split)), f"{row.accuracy:.3f}", f"{row.letter_accuracy:.3f}"]
            for row in summary.letters
        ],
    )


def _variants_table(variants: Sequence[VariantRow]) -> str:
    """With a column for the contract, and for what it left unread, as soon as there is one beside our own."""
    header = ["arm", "seed", "dataset", "decoding", "control", "accuracy", "format", "process"]
    rows = [
        [
            v.row.stage, str(v.row.seed), _label((v.row.dataset, v.row.split)), v.decoding, v.control or "-",
            _accuracy(v.row), f"{v.row.format_rate:.3f}",
            "-" if v.row.process_score is None else f"{v.row.process_score:.3f}",
        ]
        for v in variants
    ]  # fmt: skip
    if all(v.row.contract == THINK_ANSWER for v in variants):
        return _table(header, rows)
    of_contract = [[v.row.contract, str(v.row.unread), str(v.row.guessed)] for v in variants]
    header += ["contract", "unread", "guessed"]
    return _table(header, [[*row, *marks] for row, marks in zip(rows, of_contract, strict=True)])


def _forced_table(rows: Sequence[ForcedChoiceRow]) -> str:
    header = [
        "arm", "seed", "dataset", "accuracy", "blank", "shuffled", "all orders", "margin", "picture dependence",
        "position bias", "one option",
    ]  # fmt: skip
    return _table(
        header,
        [
            [
                row.stage, str(row.seed), _letters_of(row),
                _accuracy(row), f"{row.accuracy_blank:.3f}", f"{row.accuracy_shuffled:.3f}",
                f"{row.accuracy_orders:.3f}", f"{row.margin:+.3f}",
                f"{row.picture_dependence:+.3f}"
                + ("" if row.picture_low is None else f" [{row.picture_low:+.3f}, {row.picture_high:+.3f}]"),
                f"{row.position_bias:.3f}", f"{row.same_option:.3f}",
            ]
            for row in rows
        ],
    )  # fmt: skip


def _letters_of(row: ForcedChoiceRow) -> str:
    place = _label((row.dataset, row.split))
    return f"{place} behind `{row.prefix}`" if row.prefix else place


def _quality_table(rows: Sequence[QualityRow]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row.grades))
    shown = [name.replace("_", " ") for name in names]
    header = ["arm", "seed", "dataset", "judge", "accuracy", *shown, "tokens", "graded"]
    return _table(
        header,
        [
            [
                row.stage, str(row.seed), _label((row.dataset, row.split)), row.judge + "*" * row.is_rewarder,
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


def _contracts_legend(summary: Summary) -> str:
    names = ", ".join(dict.fromkeys(v.row.contract for v in summary.contracts))
    return (
        f"All tables but this one stand on {THINK_ANSWER}, where they name no other. The same questions as {names} "
        "asks and reads them: accuracies of different contracts do not compare models. Unread completions are wrong; "
        "guessed are those in which a contract with miscounts chose the answer itself."
    )


def _costs_table(costs: Sequence[TrainingCost]) -> str:
    return _table(
        ["arm", "seed", "optimiser steps", "rollouts", "completions", "seconds"],
        [
            [
                cost.stage, str(cost.seed), str(cost.optimiser_steps),
                "-" if cost.rollouts is None else str(cost.rollouts), f"{cost.completions:,}", f"{cost.seconds:,.0f}",
            ]
            for cost in costs
        ],
    )  # fmt: skip


def _section(title: str, legend: str, body: str) -> list[str]:
    """Nothing where there is nothing to say."""
    return [f"## {title}", legend, body] if body else []


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    if not rows:
        return ""
    rule = ["---", *("---:" for _ in header[1:])]
    return "\n".join(_line(cells) for cells in (header, rule, *rows))


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _accuracy(row: ArmMean | ForcedChoiceRow | ResultRow | TypeRow) -> str:
    return f"{row.accuracy:.3f} [{row.ci_low:.3f}, {row.ci_high:.3f}]"


def _stacked(accuracy: str) -> str:
    """`0.737 [0.700, 0.773]` on two lines, the interval as `.70-.77`; any other cell as it is."""
    value, bracket, interval = accuracy.partition(" [")
    if not bracket:
        return value
    ends = [f"{float(end):.2f}".removeprefix("0") for end in interval.rstrip("]").split(", ")]
    return f"{value}\n{'-'.join(ends)}"


def _places(summary: Summary) -> list[Place]:
    """Datasets and splits as columns: the one that was trained on first, test before the others."""
    found = {(mean.dataset, mean.split) for mean in summary.arms}
    return sorted(found, key=lambda place: (place[0] != summary.in_domain, place[0], place[1] != "test", place[1]))


def _home(summary: Summary) -> Place:
    return _places(summary)[0]


def _label(place: Place) -> str:
    dataset, split = place
    return dataset if split == "test" else f"{dataset} ({split})"
