"""The README's commands: every one composes and is read as a whole; those for the embedded model run, shortened."""

import json
import re
import shlex

import pytest
from composing import schema_of
from drawn_sets import write_pathmmu
from hydra.core.override_parser.overrides_parser import OverridesParser
from PIL import Image
from running import LIGHTNING_WARNINGS, ROOT, TINY_DATA, TINY_SFT, composed, entry, runs_below

from pathvlm_r1.config import refuse_unread

pytestmark = LIGHTNING_WARNINGS

README = (ROOT / "README.md").read_text()
COMMANDS = re.findall(r"^    python src/(\w+)\.py (.*)$", README, flags=re.MULTILINE)
SHORT_ENGINE = (
    "stage.prompts_per_step=4",
    "stage.group_size=2",
    "model.max_completion_tokens=24",
    "trainer.max_steps=1",
)
SHORT_GRPO = ("model.recipe.grpo.prompts_per_step=2", "stage.group_size=2", "trainer.max_steps=1")


def alternatives(arguments: str) -> list[list[str]]:
    """The overrides of a command; those of a sweep once with the first and once with the last value of each key."""
    typed = shlex.split(arguments.partition("#")[0])
    if "-m" not in typed:
        return [typed]
    sweep = OverridesParser.create().parse_overrides([override for override in typed if override != "-m"])
    values = [
        (o.get_key_element(), list(o.sweep_string_iterator()) if o.is_sweep_override() else None, o) for o in sweep
    ]
    return [[f"{key}={choices[end]}" if choices else one.input_line for key, choices, one in values] for end in (0, -1)]


def test_there_are_commands_for_every_entry_point():
    assert {name for name, _ in COMMANDS} == {path.stem for path in (ROOT / "src").glob("*.py")}


def test_no_command_is_indented_otherwise_and_escapes_these_tests():
    indented = [line for line in README.splitlines() if re.match(r"[ \t]+(\w+=\S+ )*python3? src/", line)]
    assert [line for line in indented if not re.match(r" {4}(PYTHONPATH=\. )?python src/\w+\.py \S", line)] == []


@pytest.mark.parametrize(("name", "arguments"), COMMANDS, ids=[f"{name} {rest}" for name, rest in COMMANDS])
def test_a_command_composes_and_all_that_it_types_is_read(name, arguments):
    named = arguments.replace("<run>", "20260711-093000-sft").replace("<other>", "20260711-103000-grpo")
    for typed in alternatives(named):
        settings = composed(name, *typed)
        refuse_unread(typed, settings)
        schema_of(name, typed).checked(settings)


def shortening(name: str, arguments: str) -> tuple[str, ...]:
    """What makes a command for the embedded model quick."""
    special = {
        "task=rescore run=": (), "task=rescore completions=": TINY_DATA[:2],
        "task=judge_audit run=": ("n=4", "repeats=2", "replicates=50"), "task=judge_audit completions=": TINY_DATA[:2],
        "task=predict": TINY_DATA[2:],
        "dataset=phantom_ct": ("dataset.splits.test=6", "raise_cap_to=null"), "evaluation=forced": TINY_DATA[:2],
        "task=explain": (TINY_DATA[0], "n=2", "masks=4", "shifts=1", "overlays=1", "replicates=50"),
        "task=rl_readiness": (*TINY_DATA[:1], "n=4", "group_size=2", "replicates=50"),
    }  # fmt: skip
    usual = {"eval": (*TINY_DATA[:2], "raise_cap_to=null"), "data": TINY_DATA[:2], "report": ("replicates=50",)}[name]
    return next((short for part, short in special.items() if part in arguments), usual)


def test_the_commands_for_the_embedded_model_run_one_after_the_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "docs").mkdir()
    Image.effect_noise((64, 64), 80).convert("RGB").save("picture.png")
    ours = [rest for name, rest in COMMANDS if name == "train" and re.fullmatch(r"stage=(sft|grpo reward=dual)", rest)]
    assert len(ours) == 2
    for rest in ours:
        shortened = SHORT_GRPO if "grpo" in rest else ()
        outcome = entry("train", *shlex.split(rest), *TINY_SFT, *shortened)
        assert outcome.status == 0, outcome.text
    runs = runs_below(tmp_path / "outputs")
    assert [manifest.arm for _, manifest in runs] == ["sft", "grpo"], "GRPO found its parent"
    for name, rest in COMMANDS:
        # files, runs on files, a language model, the hub
        elsewhere = ("dataset.root=", "outputs/bccd", "task=fetch", "judge_quality", "hub_id=")
        if name == "train" or any(part in rest for part in elsewhere):
            continue
        if "completions=completions.jsonl" in rest:
            lines = [json.loads(line) for line in (tmp_path / "samples.jsonl").read_text().splitlines()]
            given = [json.dumps({"sample_id": line["id"], "completion": line["reference"]}) for line in lines]
            (tmp_path / "completions.jsonl").write_text("\n".join(given))
        run = runs[1 if "run=outputs" in rest else 0][0]
        typed = shlex.split(rest.replace("<run>", run.path.name).replace("<other>", runs[1][0].path.name))
        outcome = entry(name, *typed, *shortening(name, rest))
        assert outcome.status == 0, outcome.text
    assert {json.loads(line)["total"] for line in (tmp_path / "rewards.jsonl").read_text().splitlines()} == {3.0}
    assert "accuracy" in (tmp_path / "outputs" / "report.md").read_text()
    assert (tmp_path / "docs" / "phantoms.png").is_file()


def test_the_command_for_a_published_set_runs_on_a_folder_of_its_form(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_pathmmu(tmp_path / "PathMMU", questions=2)
    ((name, rest),) = [one for one in COMMANDS if one == ("eval", "dataset=pathmmu dataset.root=PathMMU")]
    outcome = entry(name, *shlex.split(rest), "model.max_completion_tokens=8", "evaluation.replicates=50")
    assert outcome.status == 0, outcome.text
    assert "dataset=pathmmu says nothing of reasoning: judge=oracle gives it no process score" in outcome.text
    (predictions,) = tmp_path.glob("outputs/*/predictions/pathmmu.test.greedy.jsonl")
    assert len(predictions.read_text().splitlines()) == 2 * 5 * 2


ENGINE = README.partition("## The GRPO engine")[2].partition("\n## ")[0]
ENGINE_COMMANDS = [
    rest for rest in re.findall(r"^    python src/train\.py (.*)$", ENGINE, flags=re.MULTILINE) if "model=" not in rest
]  # of the embedded model


@pytest.mark.parametrize("arguments", ENGINE_COMMANDS)
def test_a_command_of_the_engines_section_trains_a_step(tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    outcome = entry("train", *shlex.split(arguments), "stage.init=base", "logger=csv", *TINY_DATA[:2], *SHORT_ENGINE)
    assert outcome.status == 0, outcome.text
    ((_, manifest),) = runs_below(tmp_path / "outputs")
    assert manifest.measured["optimiser_steps"] == 1
