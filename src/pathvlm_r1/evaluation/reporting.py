"""The report of a folder of evaluated runs, as four files: numbers, items, text and figure."""

from __future__ import annotations

from pathlib import Path

from rich import get_console

from pathvlm_r1.evaluation.collecting import collect
from pathvlm_r1.evaluation.figure import figure_png
from pathvlm_r1.evaluation.items import items_of, write_items
from pathvlm_r1.evaluation.openings_table import openings_sentences
from pathvlm_r1.evaluation.rendering import markdown, terminal_table
from pathvlm_r1.evaluation.summary import Summary, summarise
from pathvlm_r1.tracking import say, write_bytes, write_json, write_text


def write_report(runs: Path, out: Path, *, seed: int, replicates: int) -> Summary:
    """Write summary.json, items.csv, report.md and report.png; say in the terminal what they hold.

    Args:
        runs: every finished run below it that has predictions is read.
        out: folder of the four files.
        seed: of the bootstrap.
        replicates: bootstrap resamples of the images.

    Raises:
        TrackingError: runs that cannot be told apart or compared, or a file that cannot be read or written.
    """
    collection = collect(runs)
    summary = summarise(collection, seed=seed, replicates=replicates)
    text, figure = markdown(summary), figure_png(summary)
    write_json(out / "summary.json", summary.as_json())
    write_items(out / "items.csv", items_of(collection.in_domain_test))
    write_text(out / "report.md", text)
    write_bytes(out / "report.png", figure)
    _show(summary, out)
    return summary


def _show(summary: Summary, out: Path) -> None:
    get_console().print(terminal_table(summary))
    written = ", ".join(("summary.json", "items.csv", "report.md", "report.png"))
    say(*openings_sentences(summary.openings), *summary.notes, f"{out}: {written}")
