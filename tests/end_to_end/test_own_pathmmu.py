"""The README's commands for one's own PathMMU, as they stand there, on a folder of its form."""

import re
import shlex
import shutil

import pytest
from defective_pictures import drawn
from drawn_sets import write_pathmmu
from running import ROOT, entry

from pathvlm_r1.tracking import manifests_below

SECTION = re.compile(r"## Your own PathMMU in five commands\n(.*?)\n## ", re.DOTALL)
COMMAND = re.compile(r"^    python src/(\w+)\.py (.*)$", re.MULTILINE)
SHORT = ("trainer.max_steps=1", "model.recipe.sft.max_steps=2", "stage.group_size=2", "logger=none")


def commands():
    (section,) = SECTION.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return COMMAND.findall(section)


@pytest.fixture
def archive(tmp_path, monkeypatch):
    """What was downloaded: an archive of the set, every picture another one."""
    monkeypatch.chdir(tmp_path)
    root = write_pathmmu(tmp_path / "drawn")
    for number, path in enumerate(sorted((root / "data" / "images").iterdir())):
        drawn(number).save(path)
    shutil.make_archive("PathMMU", "zip", root)


@pytest.mark.usefixtures("archive")
def test_five_commands_lead_from_an_archive_to_accuracies_with_intervals(tmp_path):
    given = commands()
    assert [name for name, _ in given] == ["data", "data", "data", "train", "eval"]
    for name, rest in given:
        outcome = entry(name, *shlex.split(rest), *(SHORT if name == "train" else ()))
        assert outcome.status == 0, outcome.text
    assert re.search(r"grpo on pathmmu: accuracy \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\]", outcome.text)
    runs = {manifest.arm: manifest for _, manifest in manifests_below(tmp_path / "outputs")}
    assert set(runs) == {"base", "sft", "grpo"}
    assert runs["grpo"].config["verified"] == "pathmmu-verified.json"
    sealed = entry("eval", *shlex.split(given[-1][1].replace("split=development", "split=sealed_test")))
    assert sealed.status == 2
    assert "confirm=pathmmu-" in sealed.stderr
