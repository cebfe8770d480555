"""The README's tables of exploits, read back."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
ROUNDING = 0.005  # the README has two decimals


def readme_table(mark: str) -> dict[str, dict[str, str]]:
    """Class -> column -> cell, of the table between two marks."""
    between = (ROOT / "README.md").read_text().partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0]
    heads, _, *rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in between.strip().splitlines()]
    return {row[0]: dict(zip(heads[1:], row[1:], strict=True)) for row in rows}
