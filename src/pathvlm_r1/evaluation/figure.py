"""The figure of a summary: accuracy and process score of every arm on every dataset."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from io import BytesIO
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from pathvlm_r1.evaluation.summary import ArmMean, Summary

COLOURS = {"base": "#9a9a9a", "sft": "#4c78a8", "sft_continued": "#9ecae9", "grpo": "#f58518"}
OTHER_COLOURS = ("#54a24b", "#b279a2", "#e45756", "#72b7b2", "#eeca3b", "#9d755d")
DOTS_PER_INCH = 150

Estimate = Callable[[ArmMean], tuple[float | None, float | None, float | None]]  # value, low, high


def figure_png(summary: Summary) -> bytes:
    """Two panels of bars with 95 % intervals, as a PNG file's contents."""
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    FigureCanvasAgg(figure)
    means = [mean for mean in summary.arms if mean.split == "test"] or list(summary.arms)
    accuracy, process = figure.subplots(2, 1, sharex=True)
    _bars(accuracy, means, "accuracy", lambda mean: (mean.accuracy, mean.ci_low, mean.ci_high))
    _bars(process, means, "process score", lambda mean: (mean.process_score, mean.process_low, mean.process_high))
    accuracy.set_title(f"greedy, 95 % intervals; trained on {summary.in_domain}", loc="left", fontsize=10)
    arms = list(dict.fromkeys(mean.stage for mean in means))
    patches = [Patch(color=_colour(arm, arms), label=arm) for arm in arms]
    figure.legend(handles=patches, loc="outside upper right", ncols=6, frameon=False)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH)
    return buffer.getvalue()


def _bars(axes: Any, means: Sequence[ArmMean], label: str, estimate: Estimate) -> None:
    """Datasets along the axis, one bar per arm in each; none where an arm has no number."""
    datasets = list(dict.fromkeys(mean.dataset for mean in means))
    arms = list(dict.fromkeys(mean.stage for mean in means))
    width = 0.8 / len(arms)
    for position, arm in enumerate(arms):
        shift = (position - (len(arms) - 1) / 2) * width
        for mean in means:
            value, low, high = estimate(mean)
            if mean.stage != arm or value is None:
                continue
            place = datasets.index(mean.dataset) + shift
            axes.bar(place, value, width * 0.92, color=_colour(arm, arms))
            if low is not None and high is not None:
                axes.errorbar(place, value, [[value - low], [high - value]], color="#222222", capsize=2.5, lw=1)
    axes.set_xticks(range(len(datasets)), datasets)
    axes.set(ylabel=label, ylim=(0, 1.02))
    axes.grid(axis="y", color="#e6e6e6")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _colour(arm: str, arms: Sequence[str]) -> str:
    others = [name for name in arms if name not in COLOURS]
    return COLOURS.get(arm) or OTHER_COLOURS[others.index(arm) % len(OTHER_COLOURS)]
