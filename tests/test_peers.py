"""The list of what users of other trainers complain about points at tests that exist."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMPLAINTS = re.findall(r"^(\d+)\. (.+) -> (.+)$", (ROOT / "tests" / "peers.md").read_text(), flags=re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")
WITHOUT = ("open", "does not apply: ")


@cache
def names_in(path: Path) -> set[str]:
    """Names of the test functions of a file; none of a file that does not exist."""
    if not path.is_file():
        return set()
    return {node.name for node in ast.parse(path.read_text()).body if isinstance(node, ast.FunctionDef)}


def absent(answer: str) -> list[str]:
    """The tests that an answer names and that are not there."""
    return [f"{path}::{name}" for path, name in TEST.findall(answer) if name not in names_in(ROOT / path)]


def test_every_complaint_is_listed_once():
    assert sorted(int(number) for number, _, _ in COMPLAINTS) == list(range(1, 37))


@pytest.mark.parametrize(("number", "answer"), [(number, answer) for number, _, answer in COMPLAINTS])
def test_a_complaint_is_answered_by_tests_that_exist_or_with_the_reason_why_not(number, answer):
    assert TEST.search(answer) or answer.startswith(WITHOUT), number
    assert absent(answer) == []


def test_a_test_that_does_not_exist_would_be_seen():
    assert absent("`tests/test_peers.py::test_every_complaint_is_listed_once`") == []
    assert absent("`tests/test_peers.py::test_that_was_renamed`") == ["tests/test_peers.py::test_that_was_renamed"]
    assert absent("`tests/test_gone.py::test_any`") == ["tests/test_gone.py::test_any"]
