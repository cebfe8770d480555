"""Maps laid over the picture that they are of, with what they are worth in their titles."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from io import BytesIO
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pathvlm_r1.evaluation.explain.explaining import Drawing, Explained
from pathvlm_r1.evaluation.explain.pictures import Floats

DOTS_PER_INCH = 100
PANEL = 2.6  # inches a side
CHARACTERS = 34  # of a line above a panel
REGION_COLOUR = "#00d000"


def overlay_png(explained: Explained, drawing: Drawing, verdicts: Mapping[str, str]) -> bytes:
    """The picture with its region, then RISE of every option, then every other map; a PNG file's contents.

    Args:
        explained: the question's numbers.
        drawing: its maps.
        verdicts: what the checks on all questions say of each kind of map.
    """
    sample = drawing.sample
    panels: list[tuple[str, Floats | None]] = [(_outcome(explained, drawing), None)]
    if drawing.by_option is not None:
        panels += [
            (f"rise of {letter}) {option}{' (right)' if letter == sample.answer else ''}", values)
            for letter, option, values in zip(sample.letters, sample.options, drawing.by_option, strict=True)
        ]
    panels += [(f"{name}: {verdicts[name]}", values) for name, values in drawing.maps.items() if name != "rise"]
    figure = Figure(figsize=(PANEL * len(panels), PANEL * 1.5), layout="constrained")
    FigureCanvasAgg(figure)
    for axes, (title, values) in zip(figure.subplots(1, len(panels), squeeze=False)[0], panels, strict=True):
        _panel(axes, drawing, title, values)
    told = [f"{sample.sample_id}: {sample.question}"]
    if "rise" in verdicts:
        told.append(f"rise: {verdicts['rise']}")
    figure.suptitle("\n".join(told), fontsize=9)
    buffer = BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    return buffer.getvalue()


def _outcome(explained: Explained, drawing: Drawing) -> str:
    told = "chosen" if explained.as_asked.is_right else "not chosen"
    region = "no region" if drawing.region is None else f"region {drawing.region.mean():.0%}"
    return f"{explained.answer} is right and {told}, margin {explained.as_asked.margin:+.2f}; {region}"


def _panel(axes: Any, drawing: Drawing, title: str, values: Floats | None) -> None:
    """Warm colours speak for the option, cold ones against it; the scale is the map's own."""
    axes.imshow(drawing.picture)
    if values is not None:
        reach = float(np.abs(values).max()) or 1.0
        axes.imshow(values, cmap="coolwarm", vmin=-reach, vmax=reach, alpha=0.55)
    if drawing.region is not None:
        axes.contour(drawing.region, levels=[0.5], colors=REGION_COLOUR, linewidths=1)
    axes.set_title("\n".join(textwrap.wrap(title, CHARACTERS)), fontsize=7)
    axes.axis("off")
