import os
import signal
import threading

import pytest
from tiny_training import LIGHTNING_WARNINGS, CountingModule, trainer_with
from torch.testing import assert_close

from pathvlm_r1.assembly.processes import StopTogether
from pathvlm_r1.tracking import LastCheckpoint, graceful_interrupt
from pathvlm_r1.tracking.interrupts import MESSAGE

pytestmark = LIGHTNING_WARNINGS


def interrupt():
    os.kill(os.getpid(), signal.SIGINT)


def interrupt_twice(*_):
    interrupt()
    interrupt()


def test_the_first_interrupt_finishes_the_step_and_saves_and_the_run_can_go_on_from_there(tmp_path, capsys):
    def at_the_third(module):
        if len(module.seen) == 3:
            interrupt()

    module = CountingModule(batches=7, steps_per_batch=2, on_step=at_the_third)
    with graceful_interrupt() as state:
        stop = StopTogether(lambda: state.is_requested)
        trainer = trainer_with(tmp_path, max_steps=12, callbacks=[stop, LastCheckpoint(tmp_path, 100)])
        trainer.fit(module)
    assert state.is_requested
    assert trainer.should_stop
    assert trainer.global_step == 6
    assert capsys.readouterr().out.count(MESSAGE) == 1

    whole, resumed = CountingModule(batches=7, steps_per_batch=2), CountingModule(batches=7, steps_per_batch=2)
    of_whole, of_resumed = trainer_with(tmp_path, max_steps=12), trainer_with(tmp_path, max_steps=12)
    of_whole.fit(whole)
    of_resumed.fit(resumed, ckpt_path=tmp_path / "last.ckpt")
    assert of_resumed.current_epoch == of_whole.current_epoch  # what a shuffling sampler goes by
    assert module.seen + resumed.seen == whole.seen
    assert_close(resumed.state_dict(), whole.state_dict(), rtol=0, atol=0)


def test_the_second_interrupt_ends_training_at_once(tmp_path):
    earlier = signal.getsignal(signal.SIGINT)
    module = CountingModule(batches=7, on_step=interrupt_twice)
    trainer = trainer_with(tmp_path, max_steps=12, callbacks=[LastCheckpoint(tmp_path, 100)])
    with pytest.raises(SystemExit) as raised, graceful_interrupt():
        trainer.fit(module)
    assert isinstance(raised.value.__context__, KeyboardInterrupt)
    assert len(module.seen) == 1
    assert signal.getsignal(signal.SIGINT) is earlier


def test_without_a_trainer_the_second_interrupt_is_a_keyboard_interrupt():
    with graceful_interrupt() as state:
        interrupt()
        assert state.is_requested
        with pytest.raises(KeyboardInterrupt):
            interrupt()


def test_the_old_handler_is_back_after_the_block_and_nothing_was_asked():
    earlier = signal.getsignal(signal.SIGINT)
    with graceful_interrupt() as state:
        assert signal.getsignal(signal.SIGINT) is not earlier
    assert signal.getsignal(signal.SIGINT) is earlier
    assert not state.is_requested


def test_outside_the_main_thread_the_block_just_runs():
    earlier, ran = signal.getsignal(signal.SIGINT), []

    def work():
        with graceful_interrupt() as state:
            ran.append((state.is_requested, signal.getsignal(signal.SIGINT)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert ran == [(False, earlier)]


def test_a_forked_worker_leaves_the_interrupt_to_its_parent():
    with graceful_interrupt():
        child = os.fork()
        if child == 0:
            try:
                interrupt_twice()
            except KeyboardInterrupt:
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
