"""The comparison of two runs in the terminal: what was compared, the tables, and what may be claimed."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rich.box import SIMPLE
from rich.console import Group, RenderableType
from rich.table import Table

from pathvlm_r1.evaluation.comparing_runs import MetricDifference, RunComparison
from pathvlm_r1.evaluation.comparison_claims import points
from pathvlm_r1.evaluation.flips import Flips
from pathvlm_r1.evaluation.grouping import grouped

SCOPE = "One run each: this speaks of these two runs on new pictures of the same kind, and not of other training seeds."


@dataclass(frozen=True, kw_only=True)
class Compared:
    """Everything that is said of two runs."""

    a: str  # who they are
    b: str
    comparisons: Sequence[RunComparison]
    only_a: Sequence[str]  # datasets that one of them alone has answered
    only_b: Sequence[str]


def comparison_text(compared: Compared) -> Group:
    """All of it, dataset by dataset."""
    parts: list[RenderableType] = [f"a: {compared.a}", f"b: {compared.b}"]
    for key, names in (("a", compared.only_a), ("b", compared.only_b)):
        if names:
            parts.append(f"not compared, {key} alone has answers: {', '.join(names)}")
    for comparison in compared.comparisons:
        parts += _of_dataset(comparison)
    return Group(*parts, SCOPE)


def _of_dataset(comparison: RunComparison) -> Iterator[RenderableType]:
    yield f"\n{comparison.dataset}"
    yield from (f"  {line}" for line in _what_was_compared(comparison))
    if not comparison.metrics:
        yield "  One picture says nothing of others: nothing is compared."
        return
    yield _metrics_table(comparison.metrics)
    for metric in comparison.metrics:
        if metric.mcnemar is not None:
            test = metric.mcnemar
            yield (
                f"  McNemar: both right {test.both_right}, a alone {test.only_first} (broken), b alone "
                f"{test.only_second} (fixed), both wrong {test.both_wrong}; exact p {test.p_value:.2g}"
            )
    if comparison.flips:
        yield _flips_table(comparison.flips)
    yield from (f"  {metric.claim}" for metric in comparison.metrics)


def _what_was_compared(comparison: RunComparison) -> Iterator[str]:
    n = max((metric.n for metric in comparison.metrics), default=1)
    images = max((metric.images for metric in comparison.metrics), default=1)
    asked = f"{n} questions on {images} pictures"
    if comparison.only_a or comparison.only_b:
        yield f"MARK: {asked} in common; left out: {comparison.only_a} of a, {comparison.only_b} of b"
    else:
        yield f"same items: {asked}"
    first, second = (", ".join(names) for names in comparison.contracts)
    for kind, count in comparison.mismatches.items():
        against = f" ({first} against {second})" if kind == "contract" else ""
        yield f"MARK: another {kind} on {count} of {n} questions{against}: the difference holds what that does"
    if "contract" not in comparison.mismatches:
        also = ", same prompts" if "prompt" not in comparison.mismatches else ""
        yield f"same contract: {first}{also}"
    if comparison.decodes != (1, 1):
        a, b = comparison.decodes
        yield f"completions per question: {a} of a, {b} of b; their shares are compared, and no single answer flips"


def _metrics_table(metrics: Sequence[MetricDifference]) -> Table:
    interval = f"{100 * metrics[0].confidence:g} % interval"
    table = _table("", "n", "a", "b", "b - a", interval, "p", "Holm", "detectable")
    for one in metrics:
        table.add_row(
            one.metric, str(one.n), f"{one.a:.3f}", f"{one.b:.3f}", points(one.difference),
            f"[{points(one.low)}, {points(one.high)}]", f"{one.p:.2g}", f"{one.p_holm:.2g}",
            "-" if one.detectable is None else f"{100 * one.detectable:.1f}",
        )  # fmt: skip
    return table


def _flips_table(rows: Sequence[Flips]) -> Table:
    table = _table("", "n", "a", "b", "fixed", "broken", "p", "Holm")
    for by, of_kind in grouped(rows, lambda row: row.by).items():
        table.add_row(f"by {by}")
        for row in of_kind:
            table.add_row(
                f"  {row.value}", str(row.n), f"{row.a:.3f}", f"{row.b:.3f}", str(row.fixed), str(row.broken),
                f"{row.p:.2g}", f"{row.p_holm:.2g}",
            )  # fmt: skip
    return table


def _table(*columns: str) -> Table:
    """Narrow enough for 80 columns."""
    table = Table(box=SIMPLE, pad_edge=False, padding=0)
    for index, name in enumerate(columns):
        table.add_column(name, justify="left" if index == 0 else "right", overflow="fold")
    return table
