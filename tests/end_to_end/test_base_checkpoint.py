"""The making of a base checkpoint, at tiny size: its phases, what an interruption keeps of them, and the export."""

import os
import signal

import pytest
from running import LIGHTNING_WARNINGS, are_equal, composed, exported, interrupted_in_batch, resumed, runs_below
from transformers import AutoModelForImageTextToText

from pathvlm_r1.assembly import Launch, pretraining, train
from pathvlm_r1.data.lookups import Lesson
from pathvlm_r1.stages import SFTModule
from pathvlm_r1.tracking import RunInterrupted, read_manifest

pytestmark = LIGHTNING_WARNINGS

TINY_PRETRAINING = (
    "stage=pretrain", "logger=csv", "stage.max_steps=3", "stage.rows_per_step=4", "stage.pictures=4",
    "stage.image_size=56", "stage.vocabulary_size=400", "stage.vision.max_steps=2", "stage.vision.pictures_per_step=3",
    "stage.architecture={hidden: 64, layers: 2, vision_hidden: 48, vision_layers: 1}",
)  # fmt: skip


def pretrained(output):
    return train(composed("train", *TINY_PRETRAINING, f"output={output}"), Launch())


@pytest.fixture
def quick(monkeypatch):
    """A lesson that is passed as soon as it can be, and a small corpus for the tokenizer."""
    lesson = Lesson(options=2, has_names=False, filler=0, rows=2, passed_at=0.0)
    monkeypatch.setattr(pretraining, "LESSONS", (lesson,))
    monkeypatch.setattr(pretraining, "CORPUS_EXERCISES", 100)


@pytest.mark.usefixtures("quick")
def test_a_resumed_pretraining_keeps_its_finished_phases_and_ends_in_the_same_weights(tmp_path, monkeypatch):
    straight = pretrained(tmp_path / "straight")
    assert AutoModelForImageTextToText.from_pretrained(straight.export).config.model_type == "qwen2_5_vl"
    with interrupted_in_batch(SFTModule, 2), pytest.raises(RunInterrupted):
        pretrained(tmp_path / "broken")
    ((broken, manifest),) = runs_below(tmp_path / "broken")
    assert manifest.status == "interrupted"

    def again(*_, **__):
        raise AssertionError("a finished phase was trained again")

    monkeypatch.setattr(pretraining, "train_vision", again)
    monkeypatch.setattr(pretraining, "train_look_ups", again)
    assert read_manifest(resumed(broken).path).status == "finished"
    assert are_equal(exported(broken), exported(straight))


@pytest.fixture
def control_c():
    """Press it; where the tests run in a shell's background Python has left the signal ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield lambda: os.kill(os.getpid(), signal.SIGINT)
    signal.signal(signal.SIGINT, before)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize("phase", ["train_vision", "train_look_ups"])
def test_control_c_in_a_phase_before_the_steps_names_the_command_that_goes_on(phase, tmp_path, monkeypatch, control_c):
    straight, original = pretrained(tmp_path / "straight"), getattr(pretraining, phase)

    def interrupted(*arguments, **settings):
        control_c()
        return original(*arguments, **settings)

    monkeypatch.setattr(pretraining, phase, interrupted)
    with pytest.raises(RunInterrupted) as caught:
        pretrained(tmp_path / "broken")
    monkeypatch.setattr(pretraining, phase, original)
    ((broken, manifest),) = runs_below(tmp_path / "broken")
    assert manifest.status == "interrupted"
    assert str(caught.value) == f"interrupted; go on with: python src/train.py resume={broken.path}"
    assert read_manifest(resumed(broken).path).status == "finished"
    assert are_equal(exported(broken), exported(straight))
