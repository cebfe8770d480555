"""What is said on the console."""

from __future__ import annotations

from rich import get_console
from rich.console import RenderableType


def say(*shown: RenderableType) -> None:
    """Print lines and tables one after the other: no mark-up in them is obeyed, and no line is broken."""
    for one in shown:
        get_console().print(one, markup=False, highlight=False, soft_wrap=True)
