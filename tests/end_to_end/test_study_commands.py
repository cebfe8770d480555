"""What `make study` prints: every command composes and is read as a whole; each report becomes a recorded result."""

import re
import shutil
import subprocess

import pytest
from composing import schema_of
from running import ROOT, composed
from test_readme import alternatives

from pathvlm_r1.config import refuse_unread


@pytest.fixture(scope="module")
def printed():
    make = shutil.which("make")
    if make is None:
        pytest.skip("make is not there")
    return subprocess.run([make, "-s", "study"], cwd=ROOT, capture_output=True, text=True, check=True).stdout  # noqa: S603


def test_every_command_composes_and_all_that_it_types_is_read(printed):
    commands = re.findall(r"^\S+python src/(\w+)\.py (.*)$", printed, flags=re.MULTILINE)
    assert {name for name, _ in commands} == {"train", "eval", "report"}
    for name, arguments in commands:
        for typed in alternatives(arguments.replace("<clone>", "BCCD")):
            settings = composed(name, *typed)
            refuse_unread(typed, settings)
            schema_of(name, typed).checked(settings)


def test_what_each_report_writes_is_moved_to_the_results_that_are_recorded(printed):
    folders = re.findall(r"src/report\.py .*out=(\S+)$", printed, flags=re.MULTILINE)
    assert len(folders) == 4
    assert [f"mv {folder}/summary.json {folder}/results.json" for folder in folders] == [
        line for line in printed.splitlines() if line.startswith("mv ")
    ]
    assert all((ROOT / folder).parent.is_dir() for folder in folders)


def test_both_controls_are_asked_of_the_demos_runs_in_domain_alone(printed):
    evaluations = [line for line in printed.splitlines() if "src/eval.py runs=outputs/demo" in line]
    for control in ("blank_images=true", "shuffled_images=true"):
        (line,) = (line for line in evaluations if control in line)
        assert "'dataset.out_of_domain=[]'" in line
