"""pyproject.toml's ranges, requirements.lock and environment.yml are in step, and say all that is imported."""

import ast
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
RUN_TIME = [Requirement(line) for line in PROJECT["dependencies"]]
DECLARED = RUN_TIME + [Requirement(line) for lines in PROJECT["optional-dependencies"].values() for line in lines]
LOCK = (ROOT / "requirements.lock").read_text().splitlines()
LOCKED = {canonicalize_name(name): version for name, version in (line.split("==") for line in LOCK)}
CONDA = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]


def imported(folder: str) -> set[str]:
    """Top-level names that the Python files of a folder import from elsewhere."""
    files = list((ROOT / folder).rglob("*.py"))
    ours = {"pathvlm_r1"} | {file.stem for file in files if "pathvlm_r1" not in file.parts}
    nodes = [node for file in files for node in ast.walk(ast.parse(file.read_text()))]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module and not node.level}
    return {name.partition(".")[0] for name in names} - ours - set(sys.stdlib_module_names)


@pytest.mark.medium
@pytest.mark.parametrize(("folder", "declared"), [("src", RUN_TIME), ("tests", DECLARED)])
def test_every_import_is_of_a_declared_package(folder, declared):
    distributions = packages_distributions()
    names = {canonicalize_name(requirement.name) for requirement in declared}
    of_nobody = {
        name for name in imported(folder) if names.isdisjoint(map(canonicalize_name, distributions.get(name, [name])))
    }
    assert of_nobody == set()


def test_every_range_holds_its_locked_version():
    outside = {
        str(requirement)
        for requirement in DECLARED
        if not requirement.specifier.contains(LOCKED[canonicalize_name(requirement.name)])
    }
    assert outside == set()


def test_the_lock_has_plain_versions_in_order_and_not_this_package():
    requirements = [Requirement(line) for line in LOCK]
    assert all([part.operator for part in requirement.specifier] == ["=="] for requirement in requirements)
    assert not [line for line in LOCK if "+" in line or "@" in line]  # +cpu and paths are of one machine or index
    assert sorted(LOCK, key=str.lower) == LOCK
    assert canonicalize_name(PROJECT["name"]) not in LOCKED


def test_the_environment_file_has_the_declared_packages_at_their_locked_versions():
    (from_pip,) = (entry["pip"] for entry in CONDA if isinstance(entry, dict))
    expected = {canonicalize_name(requirement.name) for requirement in DECLARED}
    actual = dict(line.split("==") for line in from_pip if line != "-e .")
    assert {canonicalize_name(name): version for name, version in actual.items()} == {
        name: LOCKED[name] for name in expected
    }
    assert from_pip[-1] == "-e ."


def test_the_environment_file_asks_for_the_python_of_the_package():
    (python,) = (line.removeprefix("python") for line in CONDA if isinstance(line, str) and line.startswith("python"))
    assert SpecifierSet(python) == SpecifierSet(PROJECT["requires-python"])
