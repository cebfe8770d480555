"""Wrong inputs as users meet them: exit status 2 and one message, before a model is loaded or a run folder is made."""

import errno
import os
import shutil

import pytest
import torch
from drawn_bccd import draw_bccd
from PIL import Image
from running import (
    LIGHTNING_WARNINGS,
    TINY,
    TINY_DATA,
    TINY_GRPO,
    TINY_SFT,
    Outcome,
    are_equal,
    entry,
    last_weights,
    runs_below,
    trained,
)
from transformers import Qwen2_5_VLForConditionalGeneration

from pathvlm_r1.assembly import running
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.stages import sft
from pathvlm_r1.tracking import files, read_manifest

pytestmark = LIGHTNING_WARNINGS

ASKED = ("task=predict", "question=Which?", "options=[benign,malignant]")


@pytest.fixture
def no_model(monkeypatch):
    """Loading a model is too late for the refusal."""

    def loaded(*_, **__):
        raise AssertionError("a model was loaded before the input was refused")

    monkeypatch.setattr(Qwen2_5_VLForConditionalGeneration, "from_pretrained", loaded)


def assert_refused(outcome: Outcome, *expected: str) -> None:
    assert outcome.status == 2, outcome.text
    assert "Traceback" not in outcome.text
    for text in expected:
        assert text in outcome.stderr
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.count("error:") == 1


def refused(name: str, output, *overrides: str) -> Outcome:
    """The outcome of an entry point that must leave no run behind."""
    outcome = entry(name, *overrides, f"output={output}")
    assert not runs_below(output)
    assert not output.is_dir() or not [path for path in output.iterdir() if path.is_dir()], "an empty run folder"
    return outcome


@pytest.mark.usefixtures("no_model")
class TestPredict:
    def test_a_missing_picture(self, tmp_path):
        assert_refused(entry("eval", *ASKED, f"image={tmp_path}/none.png"), "none.png", "no such file")

    def test_a_file_that_is_no_picture(self, tmp_path):
        (tmp_path / "note.png").write_text("not a picture")
        assert_refused(entry("eval", *ASKED, f"image={tmp_path}/note.png"), "note.png", "unknown format")

    def test_a_corrupt_jpeg(self, tmp_path):
        path = tmp_path / "smear.jpg"
        Image.effect_noise((64, 64), 80).convert("RGB").save(path)
        path.write_bytes(path.read_bytes()[:700])
        assert_refused(entry("eval", *ASKED, f"image={path}"), "smear.jpg", "truncated, corrupt")

    def test_a_picture_without_a_question(self, tmp_path):
        assert_refused(
            entry("eval", "task=predict", f"image={tmp_path}/a.png", "options=[a,b]"), "question has no value"
        )

    def test_one_option(self, tmp_path):
        outcome = entry("eval", "task=predict", f"image={tmp_path}/a.png", "question=Which?", "options=[a]")
        assert_refused(outcome, "options=[a]: from 2 to 9 options")


@pytest.mark.usefixtures("no_model")
class TestData:
    @pytest.fixture
    def smears(self, tmp_path):
        return draw_bccd(tmp_path / "BCCD")

    @staticmethod
    def read(smears, output):
        return refused("train", output, "dataset=bccd", f"dataset.root={smears}", "stage=sft", "logger=none")

    def test_a_missing_folder(self, tmp_path):
        outcome = self.read(tmp_path / "nowhere", tmp_path / "out")
        assert_refused(outcome, "nowhere", "Clone the dataset repository", "dataset.root")

    def test_xml_without_boxes(self, smears, tmp_path):
        (smears / "Annotations" / "BloodImage_00003.xml").write_text("<annotation>\n</annotation>")
        assert_refused(self.read(smears, tmp_path / "out"), "BloodImage_00003.xml", "no object with a box")

    def test_an_empty_list(self, smears, tmp_path):
        (smears / "ImageSets" / "Main" / "val.txt").write_text("\n")
        assert_refused(self.read(smears, tmp_path / "out"), "val.txt: an empty list")

    def test_duplicate_ids(self, smears, tmp_path):
        with (smears / "ImageSets" / "Main" / "train.txt").open("a") as train:
            train.write("BloodImage_00000\n")
        outcome = self.read(smears, tmp_path / "out")
        assert_refused(outcome, "train.txt:25", "BloodImage_00000 is already listed at", "train.txt:1")

    def test_a_photograph_that_was_not_downloaded(self, smears, tmp_path):
        (smears / "JPEGImages" / "BloodImage_00001.jpg").write_bytes(b"")
        assert_refused(self.read(smears, tmp_path / "out"), "BloodImage_00001.jpg", "empty (0 bytes)")

    def test_faulty_data_stop_an_evaluation_before_it_makes_a_folder(self, smears, tmp_path):
        shutil.rmtree(smears / "JPEGImages")
        outcome = refused("eval", tmp_path / "out", "dataset=bccd", f"dataset.root={smears}")
        assert_refused(outcome, "no such file", "more")

    def test_an_empty_split(self, tmp_path):
        outcome = refused("train", tmp_path / "out", "stage=sft", "dataset.splits.sft=0")
        assert_refused(outcome, "dataset.splits.sft=0: at least 1 question")


@pytest.mark.usefixtures("no_model")
class TestConfiguration:
    @pytest.mark.parametrize(
        ("overrides", "expected"),
        [
            (["stage.group_size=1"], "stage.group_size=1: at least 2"),
            (["stage.minibatches=3", "stage.prompts_per_step=2", "stage.group_size=4"], "one of 1, 2, 4, 8"),
            (["reward=process", "judge.name=none"], "judge=none: cannot score the process term of reward=process"),
            (["stage.init=checkpoint"], "stage.init=checkpoint: needs a folder of trained weights"),
            (["+stage.groupsize=4"], "did you mean stage.group_size?"),
            (["stage.beta=much"], "stage.beta=much"),
            (["+trainer.gradient_clip_val=1"], "use stage.gradient_clip"),
            (["trainer.max_steps=0"], "trainer.max_steps=0"),
            (["model.checkpoint=/nowhere"], "model.checkpoint=/nowhere: no such folder"),
        ],
    )
    def test_a_value_that_cannot_work_is_named_with_what_could(self, overrides, expected, tmp_path):
        assert_refused(refused("train", tmp_path / "out", *overrides), expected)

    @pytest.mark.parametrize(
        ("typed", "expected"),
        [
            ("reward=triple", ["Could not find 'reward/triple'", "accuracy_format", "dual"]),
            ("rewrad=dual", ["rewrad is not a key; did you mean reward? Keys of the top level: ", "stage, "]),
            ("stage.groupsize=4", ["stage.groupsize is not a key; did you mean stage.group_size?", "num_iterations"]),
            ("trainer.max_step=3", ["trainer.max_step is not a key; did you mean trainer.max_steps?"]),
            ("trainer.fast_dev_run=1", ["type +trainer.fast_dev_run=…"]),
            ("reward.process.clip=[0,1]", ["type +reward.process.clip=…, as the chosen file of conf/reward leaves it"]),
            ("reward.length.weight=1", ["reward.length: type +reward.length=…"]),
            ("reward.process.gates=1", ["reward.process.gates is not a key", "weight, coefficient"]),
            ("seed=[", ["no viable alternative at input '['"]),
            ("+reward=dual", ["reward appears more than once"]),
        ],
    )
    def test_what_hydra_would_refuse_is_one_message_with_what_is_valid(self, typed, expected, tmp_path):
        assert_refused(refused("train", tmp_path / "out", typed), *expected)

    def test_a_folder_without_finished_runs(self, tmp_path):
        assert_refused(entry("eval", f"runs={tmp_path}/none", *TINY_DATA[:2]), "no finished run below it")
        assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("no_model")
class TestCheckpoint:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "weights").mkdir()
        return tmp_path / "weights"

    @pytest.mark.parametrize("name", ["train", "eval"])
    def test_of_another_model(self, name, folder, tmp_path):
        (folder / "config.json").write_text('{"model_type": "bert"}')
        outcome = refused(name, tmp_path / "out", f"model.checkpoint={folder}")
        assert_refused(outcome, f"model.checkpoint={folder}: holds a bert, not a qwen2_5_vl")

    @pytest.mark.parametrize("name", ["train", "eval"])
    def test_without_a_config(self, name, folder, tmp_path):
        assert_refused(refused(name, tmp_path / "out", f"model.checkpoint={folder}"), "holds no config.json")

    def test_with_a_damaged_config(self, folder, tmp_path):
        (folder / "config.json").write_text("{")
        assert_refused(
            refused("train", tmp_path / "out", f"model.checkpoint={folder}"), "config.json without a model_type"
        )

    def test_resuming_what_is_no_run(self, folder):
        assert_refused(entry("train", f"resume={folder}"), "is not the folder of a run")


def test_weights_that_are_cut_off_end_in_a_message(tmp_path):
    folder = shutil.copytree(EMBEDDED_FOLDER, tmp_path / "weights")
    with (folder / "model.safetensors").open("r+b") as file:
        file.truncate(1000)
    outcome = entry("eval", *TINY_DATA, f"model.checkpoint={folder}", f"output={tmp_path / 'out'}")
    assert_refused(outcome, f"model.checkpoint={folder}: cannot be loaded")


@pytest.mark.usefixtures("no_model")
@pytest.mark.parametrize("overrides", [("stage=sft",), ("stage=grpo",)])
def test_an_output_that_is_a_file_is_refused(overrides, tmp_path):
    (tmp_path / "out").write_text("")
    outcome = entry("train", *overrides, *TINY_SFT, f"output={tmp_path / 'out'}")
    assert_refused(outcome, "no run was started", "Set output= to a folder that you may write to")


@pytest.mark.usefixtures("no_model")
@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_without_write_permission_is_refused(tmp_path):
    (tmp_path / "out").mkdir(mode=0o555)
    outcome = entry("train", "stage=sft", *TINY_SFT, f"output={tmp_path / 'out'}")
    assert_refused(outcome, "no permission to write here", "no run was started")


@pytest.mark.usefixtures("no_model")
def test_a_refused_write_is_reported_whoever_runs_it(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_, **__: False)
    outcome = entry("train", *TINY_GRPO, *TINY, f"output={tmp_path / 'out'}")
    assert_refused(outcome, "no permission to write here", "no run was started")


def test_a_full_disk_during_a_checkpoint_fails_with_a_message_and_keeps_the_earlier_one(tmp_path, monkeypatch):
    straight = trained(tmp_path / "straight", "stage=sft", "trainer.max_steps=1")
    monkeypatch.setattr(running, "CHECKPOINT_EVERY", 1)
    original, written = files.sync, []

    def sync(path):
        if "last.ckpt" in path.name:
            written.append(path)
            if len(written) == 2:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        original(path)

    monkeypatch.setattr(files, "sync", sync)
    outcome = entry("train", *TINY_SFT, "stage=sft", f"output={tmp_path}/out")
    assert_refused(outcome, "last.ckpt", "no room for it", "the older last.ckpt is unchanged")
    ((run, manifest),) = runs_below(tmp_path / "out")
    assert (manifest.status, manifest.error.split(":")[0]) == ("failed", "TrackingError")
    assert are_equal(last_weights(run), last_weights(straight)), "the state after the first step"
    assert [path.name for path in run.checkpoints.iterdir()] == ["last.ckpt"]


def test_a_loss_that_is_nan_stops_with_its_batch_saved(tmp_path, monkeypatch):
    original, calls = sft.supervised_loss, []

    def poisoned(policy, batch):
        calls.append(batch)
        loss, right = original(policy, batch)
        return (loss * torch.nan if len(calls) == 2 else loss), right

    monkeypatch.setattr(sft, "supervised_loss", poisoned)
    outcome = entry("train", *TINY_SFT, "stage=sft", f"output={tmp_path}")
    ((run, manifest),) = runs_below(tmp_path)
    saved = run.path / "non_finite_step_1.json"
    assert_refused(outcome, "loss of optimiser step 1 is nan", str(saved))
    assert "<|im_start|>" in saved.read_text()
    assert manifest.status == "failed"
    assert not run.export.exists()


@pytest.mark.usefixtures("no_model")
def test_attention_that_only_a_gpu_has_is_refused_before_anything_is_loaded(tmp_path):
    outcome = refused("train", tmp_path / "out", *TINY, *TINY_GRPO, "stage.packed_attention=flex")
    assert_refused(outcome, "stage.packed_attention=flex: FlexAttention trains on a GPU alone", "trainer=gpu")


def test_resuming_a_finished_run_is_refused(tmp_path):
    run = trained(tmp_path / "runs", "stage=sft", "trainer.max_steps=1")
    before = read_manifest(run.path)
    outcome = entry("train", f"resume={run.path}")
    assert_refused(outcome, "this run has finished; its weights are in")
    assert read_manifest(run.path) == before
    assert [path.name for path in tmp_path.iterdir()] == ["runs"]
