"""A study of judges as text and as a figure: a row per arm, and the curves of judged and true scores over the steps."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.figure import DOTS_PER_INCH, OTHER_COLOURS
from pathvlm_r1.evaluation.markdown_cells import markdown_table
from pathvlm_r1.evaluation.overoptimisation import Curve, CurvePoint, Overoptimisation, SeedMean

_HEADER = ("arm", "judge", "seeds", "accuracy", "process, true", "process, judged", "gap")


def overoptimisation_table(found: Overoptimisation) -> Table:
    """A row per arm, for the terminal."""
    table = Table(*_HEADER, box=SIMPLE, show_edge=False, pad_edge=False, collapse_padding=True)
    for row in found.rows:
        means = (row.accuracy, row.true, row.judged, row.gap)
        table.add_row(row.arm, row.judge or "-", str(len(row.seeds)), *(_number(mean) for mean in means))
    return table


def overoptimisation_markdown(found: Overoptimisation) -> str:
    """Tables of arms, of differences and of the curves."""
    arms = [
        [
            row.arm, row.judge or "-", ", ".join(map(str, row.seeds)),
            *(_interval(mean) for mean in (row.accuracy, row.true, row.judged)), _interval(row.gap, sign="+"),
        ]
        for row in found.rows
    ]  # fmt: skip
    differences = [
        [row.arm, _difference(row.accuracy_difference), _difference(row.true_difference)]
        for row in found.rows
        if row.accuracy_difference is not None
    ]
    true = f"judge={found.true_judge}"
    sections = [
        "# Over-optimisation",
        f"Greedy answers on test, mean over the seeds, 95 % intervals with images resampled; true: by {true}, judged: "
        "by the judge that rewarded the arm, gap: judged less true.",
        markdown_table(_HEADER, arms),
        *_left_out(found),
        f"**Less the arm that was rewarded by {true}**, by seed, and with seeds resampled too.",
        markdown_table(("arm", "accuracy", "process, true"), differences),
        "**Over the training**, of the sampled completions, mean over the seeds.",
        markdown_table(
            ("arm", "steps", "accuracy", "process, true", "process, judged", "gap", "gap by seed"),
            [_point(curve, point) for curve in found.curves for point in curve.points],
        ),
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def overoptimisation_png(found: Overoptimisation) -> bytes:
    """Scores over the steps by both judges, and their gap, with every seed's; a PNG file's contents."""
    figure = Figure(figsize=(11, 4.6), layout="constrained")
    FigureCanvasAgg(figure)
    scores, gaps = figure.subplots(1, 2)
    for curve, colour in zip(found.curves, _colours(len(found.curves)), strict=True):
        steps = [(point.first_step + point.last_step) / 2 for point in curve.points]
        _line(scores, steps, [point.true for point in curve.points], color=colour, label=curve.arm)
        _line(scores, steps, [point.judged for point in curve.points], color=colour, linestyle="--")
        _line(gaps, steps, [point.gap for point in curve.points], color=colour, linewidth=2)
        for at in range(len(curve.seeds)):
            _line(
                gaps, steps, [point.gap_by_seed[at] for point in curve.points], color=colour, linewidth=0.6, alpha=0.6
            )
    scores.set_title(f"process score: by judge={found.true_judge}, dashed by the arm's own", loc="left", fontsize=10)
    gaps.set_title("gap, judged less true; thin: every seed", loc="left", fontsize=10)
    for axes in (scores, gaps):
        axes.set_xlabel("optimiser step")
        axes.grid(axis="y", color="#e6e6e6")
        axes.spines[["top", "right"]].set_visible(False)
    figure.legend(loc="outside lower center", ncols=5, frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _left_out(found: Overoptimisation) -> Iterator[str]:
    """Questions that some seed has no verdict on, which are in no mean of that kind."""
    for row in found.rows:
        for name, mean in (("true", row.true), ("judged", row.judged)):
            if mean is not None and mean.n < row.accuracy.n:
                lacking = row.accuracy.n - mean.n
                yield f"{row.arm}: {lacking} of {row.accuracy.n} questions have no {name} process score in some seed."


def _colours(count: int) -> list[str]:
    return [OTHER_COLOURS[at % len(OTHER_COLOURS)] for at in range(count)]


def _line(axes: Any, steps: Sequence[float], values: Sequence[float | None], **style: object) -> None:
    axes.plot(steps, [float("nan") if value is None else value for value in values], **style)


def _point(curve: Curve, point: CurvePoint) -> list[str]:
    numbers = [_plain(value) for value in (point.accuracy, point.true, point.judged)]
    by_seed = ", ".join(_plain(gap, sign="+") for gap in point.gap_by_seed)
    return [curve.arm, f"{point.first_step} to {point.last_step}", *numbers, _plain(point.gap, sign="+"), by_seed]


def _difference(mean: SeedMean | None) -> str:
    if mean is None:
        return "-"
    by_seed = ", ".join(f"{value:+.3f}" for value in mean.by_seed)
    outer = ""
    if mean.seeds_low is not None and mean.seeds_high is not None:
        outer = f"; seeds too [{mean.seeds_low:+.3f}, {mean.seeds_high:+.3f}]"
    return f"{_interval(mean, sign='+')} ({by_seed}{outer})"


def _interval(mean: SeedMean | None, *, sign: str = "") -> str:
    if mean is None or mean.low is None or mean.high is None:
        return _number(mean)
    return f"{mean.value:{sign}.3f} [{mean.low:{sign}.3f}, {mean.high:{sign}.3f}]"


def _number(mean: SeedMean | None) -> str:
    return _plain(None if mean is None else mean.value)


def _plain(value: float | None, *, sign: str = "") -> str:
    return "-" if value is None else f"{value:{sign}.3f}"
