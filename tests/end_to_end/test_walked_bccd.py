"""The README's commands for one real set, as they stand there, shortened; by the way those of `experiments/bccd`."""

import os
import re
import shlex

import pytest
from distinct_smears import draw_distinct_smears
from running import LIGHTNING_WARNINGS, ROOT, entry, runs_below

pytestmark = LIGHTNING_WARNINGS

SECTION = re.compile(r"## One real set, from clone to explanation\n(.*?)\n## ", re.DOTALL)
COMMAND = re.compile(r"^    python src/(\w+)\.py (.*)$", re.MULTILINE)
SHARE = "dataset.rl_share=0.5"  # of few drawn photographs a quarter would have no question of each kind
SHORT = {
    "train": (
        "model.recipe.sft.max_steps=2", "model.recipe.sft.rows_per_step=4", "model.recipe.sft.validation_every=2",
        "model.recipe.grpo.max_steps=1", "model.recipe.grpo.prompts_per_step=2", "stage.group_size=2",
        "model.max_completion_tokens=16", SHARE,
    ),
    "eval": (SHARE,),
    "report": ("replicates=50",),
    "data": (SHARE,),
}  # fmt: skip
SHORT_TASKS = {
    "task=explain": ("n=3", "masks=4", "shifts=1", "shares=[0.2]", "pieces=[4]", "overlays=1", "replicates=50"),
    "contracts=": ("raise_cap_to=null", "evaluation.replicates=50"),
    "evaluation=forced_choice": ("evaluation.replicates=50",),
}


def commands():
    (section,) = SECTION.findall((ROOT / "README.md").read_text(encoding="utf-8"))
    return COMMAND.findall(section)


def shortened(name, rest):
    more = (short for part, short in SHORT_TASKS.items() if part in rest)
    return (*SHORT[name], *(one for short in more for one in short))


@pytest.fixture
def clone(tmp_path, monkeypatch):
    """The folder that `git clone` leaves, still without what is in it; where commands are given."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    (tmp_path / "BCCD_Dataset").mkdir()
    return tmp_path / "BCCD_Dataset" / "BCCD"


def test_one_set_goes_through_every_verb(clone, tmp_path):
    walk(draw_distinct_smears(clone), tmp_path)


@pytest.mark.slow
@pytest.mark.skipif("BCCD_ROOT" not in os.environ, reason="BCCD_ROOT does not name the real BCCD folder")
def test_the_real_set_goes_through_every_verb(clone, tmp_path):
    clone.symlink_to(os.environ["BCCD_ROOT"], target_is_directory=True)
    walk(clone, tmp_path)


def walk(root, folder):
    """Every command of the section, one after the other, and what they leave."""
    assert (root / "ImageSets").is_dir()
    given = commands()
    tasks = [name for name, _ in given]
    assert tasks == ["data"] * 5 + ["train"] + ["eval"] * 2 + ["report"] * 2 + ["eval"]
    for name, rest in given:
        runs = {manifest.arm: run.path.name for run, manifest in runs_below(folder / "outputs")}
        typed = rest.replace("<run>", runs.get("sft", "")).replace("<other>", runs.get("grpo", ""))
        outcome = entry(name, *shlex.split(typed), *shortened(name, rest))
        assert outcome.status == 0, outcome.text
        if name == "train":
            assert "bccd: without the picture" in outcome.text
    runs = runs_below(folder / "outputs")
    assert [(manifest.arm, manifest.data.name) for _, manifest in runs] == [
        (arm, "bccd") for arm in ("sft", "grpo", "base")
    ]
    for run, _ in runs:
        assert (run.path / "choices" / "bccd.test.forced_choice.jsonl").is_file()
        assert (run.path / "predictions" / "bccd.test.greedy.jsonl").is_file()
    assert "bccd" in (folder / "outputs" / "bccd" / "report.md").read_text(encoding="utf-8")
