"""Think and answer tags of a completion, found in linear time."""

from __future__ import annotations


def is_framed(text: str) -> bool:
    """Whether a think block and an answer block stand one after the other, with nothing around them."""
    stripped = text.strip()
    between = stripped.partition("</think>")[2].partition("<answer>")[0]
    return stripped.startswith("<think>") and stripped.endswith("</answer>") and not between.strip()


def last_answer(text: str) -> str:
    """What stands in the last answer block that is closed; the whole text without one."""
    before, end, _ = text.rpartition("</answer>")
    _, begin, block = before.rpartition("<answer>")
    return block if begin and end else text


def first_answer(text: str) -> str:
    """What stands in the first answer block that is closed; the whole text without one."""
    _, begin, rest = text.partition("<answer>")
    block, end, _ = rest.partition("</answer>")
    return block if begin and end else text


def without_thinking(text: str) -> str:
    """What stands behind the last think block; a block that is not closed is all thinking."""
    if "<think>" not in text:
        return text
    return text.rpartition("</think>")[2] if "</think>" in text else ""
