import pickle

import pytest
import torch
from pytorch_lightning import Callback
from tiny_training import LIGHTNING_WARNINGS, CountingModule, trainer_with
from torch.testing import assert_close

from pathvlm_r1.tracking import AtomicCheckpointIO, LastCheckpoint, TrackingError

pytestmark = LIGHTNING_WARNINGS


class Executes:
    """What a hostile checkpoint may hold: a call that unpickling makes."""

    def __reduce__(self):
        return (open, ("executed.txt", "w"))


def record_saves(monkeypatch):
    steps = []
    save = AtomicCheckpointIO.save_checkpoint

    def recorded(self, checkpoint, path, storage_options=None):
        steps.append(checkpoint["global_step"])
        save(self, checkpoint, path, storage_options)

    monkeypatch.setattr(AtomicCheckpointIO, "save_checkpoint", recorded)
    return steps


@pytest.mark.parametrize(
    ("steps_per_batch", "every_steps", "expected"),
    [
        (1, 5, [5, 10, 12]),
        (1, 6, [6, 12]),  # the last one is written once
        (3, 4, [6, 9, 12]),  # a batch that crosses a multiple saves at its end, 4 and 8 as well as 12
        (3, 100, [12]),
    ],
)
def test_the_state_is_saved_every_n_optimiser_steps_and_at_the_end(
    tmp_path, monkeypatch, steps_per_batch, every_steps, expected
):
    steps = record_saves(monkeypatch)
    last = LastCheckpoint(tmp_path / "checkpoints", every_steps)
    module = CountingModule(batches=7, steps_per_batch=steps_per_batch)
    trainer_with(tmp_path, max_steps=12, callbacks=[last]).fit(module)
    assert steps == expected
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["last.ckpt"]


@pytest.mark.parametrize("killed_at", [3, 4, 6, 8, 10])  # within the first epoch of 7 batches, at its edge, after it
def test_a_killed_and_resumed_run_sees_the_same_batches_and_ends_with_the_same_weights(tmp_path, killed_at):
    def kill(module):
        if len(module.seen) == killed_at:
            raise RuntimeError("killed")

    whole = CountingModule(batches=7)
    trainer_with(tmp_path, max_steps=12).fit(whole)
    first = CountingModule(batches=7, on_step=kill)
    with pytest.raises(RuntimeError, match="killed"):
        trainer_with(tmp_path, max_steps=12, callbacks=[LastCheckpoint(tmp_path, 2)]).fit(first)
    resumed = CountingModule(batches=7)
    trainer_with(tmp_path, max_steps=12, callbacks=[LastCheckpoint(tmp_path, 2)]).fit(
        resumed, ckpt_path=tmp_path / "last.ckpt"
    )
    saved = (killed_at - 1) // 2 * 2
    assert first.seen[:saved] + resumed.seen == whole.seen
    assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


@pytest.mark.parametrize(("error", "saved"), [(TrackingError, 5), (RuntimeError, 3)])
def test_an_error_between_steps_is_saved_before_where_it_is_named(tmp_path, error, saved):
    """TrackingError is a RuntimeError: only what is named, and its kinds, may be gone on from."""

    class Ended(CountingModule):
        def training_step(self, index):
            if self.global_step == 5:
                raise error("ended")
            super().training_step(index)

    last = LastCheckpoint(tmp_path, 3, saved_before=(TrackingError,))
    with pytest.raises(error, match="ended"):
        trainer_with(tmp_path, max_steps=12, callbacks=[last]).fit(Ended(batches=7))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == saved


def test_an_error_behind_a_step_is_not_saved_before_as_the_rest_of_its_batch_would_be_missing(tmp_path):
    class Validation(Callback):
        def on_train_batch_end(self, trainer, *_):
            if trainer.global_step == 5:
                raise TrackingError("ended")

    callbacks = [Validation(), LastCheckpoint(tmp_path, 3, saved_before=(TrackingError,))]
    with pytest.raises(TrackingError, match="ended"):
        trainer_with(tmp_path, max_steps=12, callbacks=callbacks).fit(CountingModule(batches=7))
    assert torch.load(tmp_path / "last.ckpt", weights_only=True)["global_step"] == 3


def test_a_checkpoint_is_never_unpickled_whatever_the_caller_asks_for(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    torch.save({"state": Executes()}, tmp_path / "hostile.ckpt")
    (tmp_path / "plain.ckpt").write_bytes(pickle.dumps(Executes()))
    for name in ("hostile.ckpt", "plain.ckpt"):
        with pytest.raises(TrackingError, match=f"{name} was not read"):
            AtomicCheckpointIO().load_checkpoint(tmp_path / name, weights_only=False)
    assert not (tmp_path / "executed.txt").exists()


def test_a_checkpoint_that_is_absent_or_cut_off_is_named(tmp_path):
    with pytest.raises(TrackingError, match=r"last\.ckpt does not exist: resume= takes"):
        AtomicCheckpointIO().load_checkpoint(tmp_path / "last.ckpt")
    torch.save({"weight": torch.zeros(1000)}, tmp_path / "whole.ckpt")
    contents = (tmp_path / "whole.ckpt").read_bytes()
    for length in (0, 10, len(contents) // 2, len(contents) - 1):
        (tmp_path / "cut.ckpt").write_bytes(contents[:length])
        with pytest.raises(TrackingError, match=r"cut\.ckpt was not read: it is broken"):
            AtomicCheckpointIO().load_checkpoint(tmp_path / "cut.ckpt")


def test_a_save_that_fails_half_way_leaves_the_older_checkpoint_readable(tmp_path, monkeypatch):
    checkpoint_io = AtomicCheckpointIO()
    checkpoint_io.save_checkpoint({"step": 1}, tmp_path / "last.ckpt")

    def half(_, file):
        file.write(b"half a checkpoint")
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", half)
    with pytest.raises(TrackingError, match=r"last.ckpt: no room .*the older last.ckpt is unchanged"):
        checkpoint_io.save_checkpoint({"step": 2}, tmp_path / "last.ckpt")
    assert checkpoint_io.load_checkpoint(tmp_path / "last.ckpt") == {"step": 1}
    assert [path.name for path in tmp_path.iterdir()] == ["last.ckpt"]


def test_saving_every_zero_steps_is_refused(tmp_path):
    with pytest.raises(ValueError, match="every_steps is 0"):
        LastCheckpoint(tmp_path, 0)
