"""The repository works elsewhere: no path of one machine, commands that exist, test files that can be told apart."""

import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
MAKEFILE = (ROOT / "Makefile").read_text()
TARGETS = set(re.findall(r"^([a-z-]+):", MAKEFILE, flags=re.MULTILINE))
DOCUMENTS = [ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
NAMED = {"setup", "demo", "test", "test-fast", "lint"}  # the interface that stays

# An absolute path below a folder that only some machines have: not part of an address, a name or another path.
OF_A_MACHINE = r"/(?:home|Users|root|work|farm|opt|mnt|srv|scratch)/(?!someone/)\w"
MACHINE_PATH = re.compile(rf"(?<![\w.:/~}}>*-]){OF_A_MACHINE}")
# Where packages come from is the business of a machine's own pip; the public CPU index of PyTorch may be named.
PACKAGE_INDEX = re.compile(
    r"index-url[ =]+(?!https://download\.pytorch\.org/)\S|find-links[ =]+\S|file:/*" + OF_A_MACHINE
)


def tracked_texts() -> dict[str, str]:
    """Path and text of every file of the repository that is text."""
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: nothing says which files are tracked")
    command = [git, "-C", str(ROOT), "ls-files", "-z"]
    listed = subprocess.run(command, capture_output=True, text=True, check=True).stdout  # noqa: S603  fixed arguments
    paths = [path for path in listed.split("\0") if path and (ROOT / path).is_file()]
    texts = {path: (ROOT / path).read_bytes().decode(errors="replace") for path in paths}
    return {path: text for path, text in texts.items() if "\0" not in text}


@pytest.mark.parametrize("pattern", [MACHINE_PATH, PACKAGE_INDEX], ids=["machine path", "package index"])
def test_no_tracked_file_is_of_one_machine(pattern):
    faults = [
        f"{path}:{number}: {line.strip()[:120]}"
        for path, text in tracked_texts().items()
        for number, line in enumerate(text.splitlines(), start=1)
        if pattern.search(line)
    ]
    assert faults == []


@pytest.mark.parametrize("folder", ["home", "work", "farm", "opt", "root"])
def test_a_path_of_one_machine_would_be_seen_and_a_relative_one_would_not(folder):
    assert MACHINE_PATH.search(f'root = "/{folder}/data"')
    assert not MACHINE_PATH.search(f"root = here/{folder}/data, https://example.org/{folder}/data, ../{folder}/data")


def test_an_index_of_one_machine_would_be_seen_and_the_public_one_would_not():
    assert PACKAGE_INDEX.search("pip install --index-" + "url http://localhost/simple torch")
    assert not PACKAGE_INDEX.search("pip install --index-url https://download.pytorch.org/whl/cpu torch==2.13.0")


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_commands_in_documents_exist(document):
    text = document.read_text()
    commands = "\n".join(re.findall(r"```.*?```|`[^`]+`", text, flags=re.DOTALL))
    assert set(re.findall(r"\bmake ([a-z-]+)", commands)) <= TARGETS
    scripts = set(re.findall(r"\bpython3? ((?:src|benchmarks|experiments)/[\w/-]+\.py)", commands))
    assert {script for script in scripts if not (ROOT / script).is_file()} == set()


def test_the_makefile_has_every_named_target_with_its_line_of_help():
    assert TARGETS >= NAMED
    described = set(re.findall(r"^([a-z-]+):.*## \S", MAKEFILE, flags=re.MULTILINE))
    assert described == TARGETS
    assert set(re.search(r"^\.PHONY: (.*)$", MAKEFILE, flags=re.MULTILINE)[1].split()) == TARGETS


def test_scripts_that_the_makefile_runs_exist():
    assert {script for script in re.findall(r"src/\w+\.py", MAKEFILE) if not (ROOT / script).is_file()} == set()


def test_test_files_and_their_helpers_have_names_of_their_own():
    names = Counter(path.stem for path in (ROOT / "tests").rglob("*.py"))  # pytest imports them by these
    assert [name for name, count in names.items() if count > 1] == []


def test_the_checks_can_be_run():
    assert os.access(ROOT / ".ci" / "run", os.X_OK)
