"""Rendering a summary as text: report.md, and the table in the terminal."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.contract import THINK_ANSWER
from pathvlm_r1.evaluation.classes import CLASSES_LEGEND, classes_table
from pathvlm_r1.evaluation.comparing_arms import Comparison
from pathvlm_r1.evaluation.costs import TrainingCost
from pathvlm_r1.evaluation.grouping import grouped
from pathvlm_r1.evaluation.markdown_cells import Place, accuracy_cell, label, markdown_table
from pathvlm_r1.evaluation.measure_tables import FORCED_LEGEND, QUALITY_LEGEND, forced_choice_table, quality_table
from pathvlm_r1.evaluation.multiplicity import holm
from pathvlm_r1.evaluation.openings_table import OPENINGS_LEGEND, openings_table
from pathvlm_r1.evaluation.repeats import mean_of_repeats
from pathvlm_r1.evaluation.summary import ArmMean, Summary, VariantRow
from pathvlm_r1.evaluation.tables import ResultRow

DISCLAIMER = (
    "Phantoms and the nano model are stand-ins for pathology images and Qwen2.5-VL: nothing here is a medical claim."
)


def markdown(summary: Summary) -> str:
    """The whole of report.md."""
    sections = [
        "# Report",
        DISCLAIMER,
        *_section("Arms", _arms_legend(summary), _arms_table(summary)),
        *_section("Comparisons", _COMPARISONS_LEGEND, _sentences(summary.comparisons)),
        *_section("By question type", _types_legend(summary), _types_table(summary)),
        *_section("By class", CLASSES_LEGEND, classes_table(summary.classes)),
        *_section("By option log-probability", _LETTERS_LEGEND, _letters_table(summary)),
        *_section("Forced choice", FORCED_LEGEND, forced_choice_table(summary.forced_choices)),
        *_section("Quality of answers", QUALITY_LEGEND, quality_table(summary.qualities)),
        *_section("Controls", _CONTROLS_LEGEND, _variants_table(summary.controls)),
        *_section("Sampled", _SAMPLED_LEGEND, _variants_table(summary.sampled)),
        *_section("Over decodes", _DECODES_LEGEND, _decodes_table(summary)),
        *_section("Other contracts", _contracts_legend(summary), _variants_table(summary.contracts)),
        *_section("Cost of training", _COSTS_LEGEND, _costs_table(summary.costs)),
        *_section("Sealed tests", OPENINGS_LEGEND, openings_table(summary.openings)),
        *_section("Notes", "", "\n".join(f"- {note}" for note in summary.notes)),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def sentence(comparison: Comparison, p_holm: float) -> str:
    """One comparison in words and numbers; `p_holm` is its p among all comparisons of the report."""
    c = comparison
    verdict = "higher" if c.ci_low > 0 else "lower" if c.ci_high < 0 else "not told apart"
    line = (
        f"- **{c.b} against {c.a}**, {label((c.dataset, c.split))}, {c.metric}: {c.b} is {verdict}, "
        f"{c.difference:+.3f} [{c.ci_low:+.3f}, {c.ci_high:+.3f}], p {c.p:.2g}, by Holm {p_holm:.2g} "
        f"({c.n} questions; "
    )
    if c.hierarchical_low is None or c.hierarchical_high is None:
        return f"{line}{c.b} seed {c.seeds[0]})."
    each = ", ".join(f"{seed}: {of_seed:+.3f}" for seed, of_seed in zip(c.seeds, c.seed_differences, strict=True))
    student = mean_of_repeats(c.seed_differences)
    return (
        f"{line}by seed {each}, SD {student.sd:.3f}, Student [{student.interval.low:+.3f}, "
        f"{student.interval.high:+.3f}]; seeds resampled too: [{c.hierarchical_low:+.3f}, {c.hierarchical_high:+.3f}])."
    )


def _sentences(comparisons: Sequence[Comparison]) -> str:
    adjusted = holm([comparison.p for comparison in comparisons])
    return "\n".join(sentence(one, p_holm) for one, p_holm in zip(comparisons, adjusted, strict=True))


def terminal_table(summary: Summary) -> Table:
    """One row per arm, on average over its seeds; five datasets fit into 80 columns."""
    caption = f"greedy, accuracy with 95 % intervals; last columns on {label(_home(summary))}\n{DISCLAIMER}"
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=0, caption=caption, caption_justify="left")
    header = ["arm", *map(label, _places(summary)), *_DETAILS]
    for index, name in enumerate(header):
        table.add_column(_NARROW.sub("\n", name), justify="left" if index == 0 else "right", overflow="fold")
    for stage, means in grouped(summary.arms, lambda mean: mean.stage).items():
        table.add_row(_NARROW.sub("\n", stage), *map(_stacked, _cells(summary, means)))
    return table


_NARROW = re.compile("[_ ]")  # where a name may go on in the next line
_DETAILS = ("format", "process", "tokens", "cap hits")
_COMPARISONS_LEGEND = (
    "The arm named first minus the other on the same questions, averaged over the seeds; in brackets the 95 % interval "
    "when images are resampled, which is conditional on these seeds, then its p, alone and among all comparisons of "
    "this section. Where there are several seeds: their spread with Student's interval, which speaks of new seeds on "
    "these questions, and the interval when seeds are resampled too, which is too narrow below ten seeds."
)
_DECODES_LEGEND = (
    "Accuracy on average over k decodes, with their standard deviation and Student's 95 % interval, which speaks of "
    "further decodes alone; pass@k is the share of questions that one of the k answers right."
)
_LETTERS_LEGEND = (
    "The base model has never seen the tags: beside what the parser reads in its text stands the option letter that "
    "it finds most probable."
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
        f"tokens and completions that hit the token limit are those on {label(_home(summary))}."
    )


def _types_legend(summary: Summary) -> str:
    return f"Accuracy on {label(_home(summary))} with 95 % intervals, on average over the seeds."


def _arms_table(summary: Summary) -> str:
    header = ["arm", "seed", *map(label, _places(summary)), *_DETAILS]
    rows = []
    for stage, means in grouped(summary.arms, lambda mean: mean.stage).items():
        by_seed = grouped((row for row in summary.rows if row.stage == stage), lambda row: row.seed)
        rows += [[stage, str(seed), *_cells(summary, of_seed)] for seed, of_seed in by_seed.items()]
        if len(by_seed) > 1:
            rows.append([f"**{stage}**", f"mean of {len(by_seed)}", *_cells(summary, means)])
    return markdown_table(header, rows)


def _cells(summary: Summary, means: Sequence[ArmMean] | Sequence[ResultRow]) -> list[str]:
    """Accuracy on every dataset, then the details of the one that was trained on."""
    at = {(mean.dataset, mean.split): mean for mean in means}
    accuracies = [accuracy_cell(at[place]) if place in at else "-" for place in _places(summary)]
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
        found = {row.stage: accuracy_cell(row) for row in of_type}
        rows.append([question_type, *(found.get(arm, "-") for arm in arms)])
    return markdown_table(["question type", *arms], rows)


def _letters_table(summary: Summary) -> str:
    return markdown_table(
        ["arm", "dataset", "parser", "option log-probability"],
        [
            [row.stage, label((row.dataset, row.split)), f"{row.accuracy:.3f}", f"{row.letter_accuracy:.3f}"]
            for row in summary.letters
        ],
    )


def _variants_table(variants: Sequence[VariantRow]) -> str:
    """With a column for the contract, and for what it left unread, as soon as there is one beside our own."""
    header = ["arm", "seed", "dataset", "decoding", "control", "accuracy", "format", "process"]
    rows = [
        [
            v.row.stage, str(v.row.seed), label((v.row.dataset, v.row.split)), v.decoding, v.control or "-",
            accuracy_cell(v.row), f"{v.row.format_rate:.3f}",
            "-" if v.row.process_score is None else f"{v.row.process_score:.3f}",
        ]
        for v in variants
    ]  # fmt: skip
    if all(v.row.contract == THINK_ANSWER for v in variants):
        return markdown_table(header, rows)
    of_contract = [[v.row.contract, str(v.row.unread), str(v.row.guessed)] for v in variants]
    header += ["contract", "unread", "guessed"]
    return markdown_table(header, [[*row, *marks] for row, marks in zip(rows, of_contract, strict=True)])


def _decodes_table(summary: Summary) -> str:
    return markdown_table(
        ["arm", "seed", "dataset", "decoding", "k", "accuracy", "SD", "pass@k", "majority vote"],
        [
            [
                row.stage, str(row.seed), label((row.dataset, row.split)), row.decoding, str(row.k),
                f"{row.accuracy:.3f} [{row.t_low:.3f}, {row.t_high:.3f}]", f"{row.sd:.3f}", f"{row.pass_at_k:.3f}",
                f"{row.majority:.3f}",
            ]
            for row in summary.decodes
        ],
    )  # fmt: skip


def _contracts_legend(summary: Summary) -> str:
    names = ", ".join(dict.fromkeys(v.row.contract for v in summary.contracts))
    return (
        f"All tables but this one stand on {THINK_ANSWER}, where they name no other. The same questions as {names} "
        "asks and reads them: accuracies of different contracts do not compare models. Unread completions are wrong; "
        "guessed are those in which a contract with miscounts chose the answer itself."
    )


def _costs_table(costs: Sequence[TrainingCost]) -> str:
    return markdown_table(
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
