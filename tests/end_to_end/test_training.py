"""Training from composition to export: parents, manifests, metrics, exports, sweeps."""

import json
import logging
import shutil

import pytest
import torch
from running import (
    LIGHTNING_WARNINGS,
    ROOT,
    TINY,
    TINY_GRPO,
    are_equal,
    command,
    entry,
    exported,
    last_weights,
    metrics,
    reward_brevity,
    runs_below,
    trained,
)
from transformers import AutoModelForImageTextToText

from pathvlm_r1.assembly.datasets import load_samples, samples_hash
from pathvlm_r1.assembly.identity import parent_record
from pathvlm_r1.config import PhantomConfig
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS

GRPO_COLUMNS = [
    "reward/accuracy", "reward/accuracy_std", "reward/format", "reward/format_std", "reward/process",
    "reward/process_std", "reward/total", "groups/all_zero", "groups/all_one", "groups/mixed", "groups/no_signal",
    "kl", "entropy", "ratio", "ratio_max", "clip_fraction_low", "clip_fraction_high", "completion_tokens",
    "cap_hits", "empty", "looping", "gradient_norm", "learning_rate", "loss", "tokens_per_second",
    "seconds/rollout", "seconds/reward", "seconds/update", "sampler_mismatch", "signal/silent_steps",
    "signal/warnings", "signal/cap_warnings",
]  # fmt: skip
SFT_COLUMNS = [
    "sft/loss",
    "sft/token_accuracy",
    "sft/gradient_norm",
    "sft/learning_rate",
    "sft/tokens",
    "validation/accuracy",
]
PARENT_LOG = "pathvlm_r1.assembly.running"


@pytest.fixture(scope="module")
def output(tmp_path_factory):
    return tmp_path_factory.mktemp("outputs")


@pytest.fixture(scope="module")
def sft(output):
    return trained(output, "stage=sft")


@pytest.fixture(scope="module")
def grpo(output, sft):  # noqa: ARG001  the parent that auto finds
    return trained(output, *TINY_GRPO)


def parent_of(run):
    return read_manifest(run.path).parent.run


def test_auto_finds_exactly_the_sft_run_that_the_configuration_implies(sft, grpo):
    assert parent_of(grpo) == str(sft.path)


def test_a_missing_parent_is_trained_first_and_then_used_again(tmp_path, caplog):
    with caplog.at_level(logging.INFO, PARENT_LOG):
        first = trained(tmp_path, *TINY_GRPO)
        assert "training it first" in caplog.text
        assert "starting from the SFT run" not in caplog.text
        second = trained(tmp_path, *TINY_GRPO, "reward=accuracy", "stage.beta=0", "stage.learning_rate=1e-6")
    assert "starting from the SFT run" in caplog.text
    assert parent_of(first) == parent_of(second)
    assert [manifest.arm for _, manifest in runs_below(tmp_path)] == ["sft", "grpo", "grpo"]
    own_steps = read_manifest(runs_below(tmp_path)[0][0].path).measured["optimiser_steps"]
    assert own_steps == 2, "trainer.max_steps of the child is not the parent's"


@pytest.mark.parametrize(
    "change",
    ["seed=1", "dataset.seed=1", "dataset.splits.validation=5", "model.recipe.sft.learning_rate=1e-3"],
)
def test_a_run_of_another_configuration_is_no_parent(output, sft, change):
    assert parent_of(trained(output, *TINY_GRPO, change)) != str(sft.path)


def test_runs_with_changed_stage_values_or_without_their_export_are_no_parents(tmp_path):
    changed = trained(tmp_path, "stage=sft", "stage.weight_decay=0.5")
    cut_short = trained(tmp_path, "stage=sft", "trainer.max_steps=1")
    without_export = trained(tmp_path, "stage=sft")
    shutil.rmtree(without_export.export)
    unfit = {str(run.path) for run in (changed, cut_short, without_export)}
    assert parent_of(trained(tmp_path, *TINY_GRPO)) not in unfit


def test_base_and_checkpoint_start_where_they_say(tmp_path, sft):
    from_base = trained(tmp_path, *TINY_GRPO, "stage.init=base")
    assert read_manifest(from_base.path).parent.id == "embedded"
    from_checkpoint = trained(tmp_path, *TINY_GRPO, "stage.init=checkpoint", f"model.checkpoint={sft.export}")
    assert parent_of(from_checkpoint) == str(sft.path)
    assert [manifest.arm for _, manifest in runs_below(tmp_path)] == ["grpo", "grpo"], "neither trains a parent"


def test_a_relative_checkpoint_is_recorded_so_that_any_working_directory_finds_it(sft, tmp_path, monkeypatch):
    monkeypatch.chdir(sft.path)
    run = trained(tmp_path, *TINY_GRPO, "stage.init=checkpoint", "model.checkpoint=./export")
    assert read_manifest(run.path).config["model"]["checkpoint"] == str(sft.export)


def test_the_manifest_says_what_the_run_was_and_stood_on(sft, grpo):
    manifest = read_manifest(grpo.path)
    assert (manifest.status, manifest.arm, manifest.stage) == ("finished", "grpo", "grpo")
    assert manifest.seeds == {"seed": 0}
    assert manifest.config["stage"]["group_size"] == 4
    assert manifest.config["reward"]["name"] == "dual"
    assert manifest.measured["optimiser_steps"] == 2
    assert len(manifest.git["commit"]) == 40
    assert manifest.packages["torch"] == torch.__version__
    data = PhantomConfig(**manifest.config["dataset"])
    assert manifest.data.hash == samples_hash(load_samples(data, "rl"))
    assert manifest.data.hash != read_manifest(sft.path).data.hash, "the SFT split is other data"


def test_the_parents_hash_is_that_of_the_weights_it_exported(sft, grpo, tmp_path):
    recorded = read_manifest(grpo.path).parent.hash
    copy = shutil.copytree(sft.export, tmp_path / "copy")
    other = trained(tmp_path, *TINY_GRPO, "stage.init=checkpoint", f"model.checkpoint={copy}")
    assert read_manifest(other.path).parent.hash == recorded
    with (copy / "model.safetensors").open("ab") as weights:
        weights.write(b" ")
    assert parent_record(str(copy)).hash != recorded


def test_every_grpo_step_reports_its_telemetry(grpo):
    rows = metrics(grpo)
    assert [row["step"] for row in rows] == ["0", "1"]
    assert {f"grpo/{name}" for name in GRPO_COLUMNS} <= rows[0].keys()
    assert all(row[f"grpo/{name}"] != "" for row in rows for name in GRPO_COLUMNS)
    assert [float(row["grpo/learning_rate"]) for row in rows] == pytest.approx([1.5e-4, 1.5e-4 * 3 / 4], rel=1e-6)
    assert float(rows[0]["grpo/kl"]) == pytest.approx(0, abs=1e-6), "the reference is the policy at step 0"
    assert (grpo.path / "completions.jsonl").is_file()


def test_every_sft_step_reports_its_telemetry_and_validation_generates(sft):
    rows = metrics(sft)
    assert set(SFT_COLUMNS) <= rows[0].keys()
    assert all(row[name] != "" for row in rows for name in SFT_COLUMNS[:4])
    assert rows[1]["validation/accuracy"] != ""
    assert [entry["step"] for entry in read_manifest(sft.path).measured["validation"]] == [2]


@pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:transformers")  # of the stock class, not of ours
def test_the_export_loads_with_the_stock_class_and_has_the_trained_weights(grpo):
    model = AutoModelForImageTextToText.from_pretrained(grpo.export)
    loaded, written = model.state_dict(), exported(grpo)
    by_place = [loaded[name] for name in loaded if not name.startswith("lm_head")]
    assert len(by_place) >= len([name for name in written if not name.startswith("lm_head")])
    trained_norm = last_weights(grpo)["policy.model.model.language_model.norm.weight"]
    assert torch.equal(loaded["model.language_model.norm.weight"], trained_norm)
    assert not torch.equal(trained_norm, torch.ones_like(trained_norm))
    assert read_manifest(grpo.path).content_hash in (grpo.export / "README.md").read_text()


def test_the_same_command_twice_gives_two_folders_and_equal_weights(output, sft, monkeypatch):
    reward_brevity(monkeypatch)
    again = trained(output, "stage=sft")
    first, second = trained(output, *TINY_GRPO), trained(output, *TINY_GRPO)
    assert len({sft.path, again.path, first.path, second.path}) == 4
    assert are_equal(last_weights(again), last_weights(sft))
    assert are_equal(exported(first), exported(second))


def test_training_moves_the_language_model_and_leaves_the_vision_tower_bit_equal(output, sft, monkeypatch):
    reward_brevity(monkeypatch)
    before, after = exported(sft), exported(trained(output, *TINY_GRPO))
    moved = {name for name in before if not torch.equal(before[name], after[name])}
    assert moved
    assert not any("visual" in name for name in moved)


def test_help_lists_the_groups_with_their_choices_and_gives_examples():
    for name, expected in {
        "train": (
            "stage: grpo, pretrain, sft",
            "reward: accuracy, accuracy_format, dual, dual_aligned, dual_consistent, dual_gated, dual_length, "
            "dual_overlong, open_answers, process",
            "resume=",
        ),
        "eval": (
            "evaluation: forced_choice, greedy, judge_quality, sampled",
            "explain, export, fetch, judge_audit, overoptimisation, predict, rescore, rl_readiness",
            "runs=",
        ),
        "data": ("task=fetch", "task=export", "export, fetch, judge_audit", "out="),
    }.items():
        outcome = entry(name, "--help")
        assert outcome.status == 0
        assert f"src/{name}.py" in outcome.stdout
        for line in expected:
            assert line in outcome.stdout
        choices = ("dataset: ", "task: ")  # of which there are many
        assert max(len(line) for line in outcome.stdout.splitlines() if not line.startswith(choices)) <= 140


def test_a_run_from_another_folder_writes_below_output_only_with_wandb_and_lora(tmp_path):
    outcome = command(
        "train", *TINY, *TINY_GRPO, "logger=wandb", "adapter=lora", "stage.init=base", "output=runs", cwd=tmp_path
    )
    assert outcome.status == 0, outcome.text
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    ((run, manifest),) = runs_below(tmp_path)
    assert manifest.status == "finished"
    assert list(run.path.rglob("*.wandb")), "offline, inside the run's folder"
    assert (run.export / "adapter").is_dir()
    assert "0 of" in outcome.stdout.split("vision:")[1].splitlines()[0], "what trains is printed"
    assert "Warning" not in outcome.text


def test_a_sweep_trains_every_combination_and_shares_the_parents(tmp_path):
    sweep = ("-m", "stage=grpo", "reward=accuracy,process,dual", "seed=0,1")
    outcome = command("train", *sweep, *TINY, "stage.group_size=4", "trainer.max_steps=1", "output=runs", cwd=tmp_path)
    assert outcome.status == 0, outcome.text
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
    manifests = [manifest for _, manifest in runs_below(tmp_path)]
    children = [manifest for manifest in manifests if manifest.arm == "grpo"]
    wanted = {(reward, seed) for reward in ("accuracy", "process", "dual") for seed in (0, 1)}
    assert {(child.config["reward"]["name"], child.seeds["seed"]) for child in children} == wanted
    assert (len(children), len(manifests)) == (6, 8), "one parent for each seed"
    assert all(manifest.status == "finished" for manifest in manifests)


def test_every_manifest_is_plain_json(grpo):
    assert json.loads(grpo.manifest.read_text())["name"] == grpo.path.name
    assert ROOT not in grpo.path.parents, "nothing of a test is written into the repository"
