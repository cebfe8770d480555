"""Ctrl-C: the first one ends a run after the step at hand, the second one at once."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from types import FrameType

from pathvlm_r1.tracking.console import say

MESSAGE = "Interrupted: the current step is being finished and saved; press Ctrl-C again to stop at once."


class RunInterrupted(Exception):
    """A run that ended early at the user's wish; the message says how to go on with it."""


@dataclass
class Interrupt:
    """Whether the user has asked for the end."""

    is_requested: bool = False


@contextmanager
def graceful_interrupt() -> Iterator[Interrupt]:
    """Answer the first SIGINT of the block with one line and a request to stop, the second with a KeyboardInterrupt.

    Outside the main thread, where Python allows no handlers, the block just runs.
    """
    interrupt = Interrupt()
    if threading.current_thread() is not threading.main_thread():
        yield interrupt
        return
    owner = os.getpid()

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        if os.getpid() != owner:
            return  # a forked data worker: its parent tells it when to end
        if interrupt.is_requested:
            raise KeyboardInterrupt
        interrupt.is_requested = True
        with suppress(RuntimeError):  # the signal came in the middle of another write to the terminal
            say(MESSAGE)

    earlier = signal.signal(signal.SIGINT, handle)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, earlier)
