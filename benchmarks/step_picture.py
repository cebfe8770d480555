"""Where the time of a GRPO step goes: the phases of both sides, from what `grpo_step.py` has written.

python benchmarks/step_picture.py [RECORD] [--out FILE] [--adapters lora] [--groups 8 16]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from steps.children import DIAGNOSTICS, PHASES

RECORD = Path(__file__).parent / "results" / "grpo_step.json"
OUT = Path(__file__).parents[1] / "docs" / "grpo_step.png"
COLOURS = dict(zip((*PHASES, DIAGNOSTICS), ("#4c78a8", "#eeca3b", "#f58518", "#54a24b", "#9a9a9a"), strict=True))
SIDES = {"trl": "TRL", "ours": "ours"}
DOTS_PER_INCH = 130


def main(arguments: Sequence[str] | None = None) -> None:
    """Draw the record's cells."""
    parser = argparse.ArgumentParser(description="The phases of a GRPO step, TRL's and ours.")
    parser.add_argument("record", nargs="?", type=Path, default=RECORD, help="what grpo_step.py wrote (%(default)s)")
    parser.add_argument("--out", type=Path, default=OUT, help="the PNG file (%(default)s)")
    parser.add_argument("--adapters", nargs="+", default=["lora"], help="of which cells (%(default)s)")
    parser.add_argument("--groups", nargs="+", type=int, default=[8, 16], help="of which sizes (%(default)s)")
    options = parser.parse_args(arguments)
    measured = [cell for cell in json.loads(options.record.read_text())["cells"] if cell["error"] is None]
    cells = [cell for cell in measured if cell["adapter"] in options.adapters and cell["group_size"] in options.groups]
    if not cells:
        parser.error(f"{options.record} has no such cell that was measured")
    figure = drawn(cells)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(options.out, dpi=DOTS_PER_INCH)


def drawn(cells: Sequence[dict[str, Any]]) -> Figure:
    """Two bars a cell, TRL's at 1: what share of its step each phase takes, and ours beside it on the same scale."""
    figure = Figure(figsize=(9, 0.9 + 0.52 * len(cells)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    places, names = [], []
    for index, cell in enumerate(cells):
        whole = sum(cell["trl"].values())
        for offset, (side, name) in enumerate(SIDES.items()):
            place, left = -index - 0.4 * offset, 0.0
            for phase, seconds in cell[side].items():
                axes.barh(place, seconds / whole, 0.36, left=left, color=COLOURS[phase])
                left += seconds / whole
            axes.text(left + 0.01, place, f"{cell['seconds'][side]:.2f} s", va="center", fontsize=7)
            places.append(place)
            names.append(f"{cell['cell']}   {name}" if side == "trl" else name)
    axes.set_yticks(places, names, fontsize=7)
    axes.set(xlim=(0, 1.12), xlabel="seconds as a share of TRL's step")
    axes.spines[["top", "right"]].set_visible(False)
    handles = [axes.barh(0, 0, color=colour, label=phase.replace("_", "-")) for phase, colour in COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=len(COLOURS), frameon=False, fontsize=8)
    return figure


if __name__ == "__main__":
    main()
