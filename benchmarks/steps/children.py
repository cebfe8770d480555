"""A child process for each side: it loads, takes a step whenever it is told to, and reports seconds and memory."""

from __future__ import annotations

import gc
import logging
import multiprocessing
import os
import time
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, TypeVar

import torch
from transformers.utils.logging import disable_progress_bar

TIMEOUT_SECONDS = 900.0  # for any one answer of a child


STEP, COUNT = "step", "count"
PHASES = ("rollout", "reward", "log_probs", "update")
DIAGNOSTICS = "diagnostics"  # of our side alone, a phase of its own; the other side's are within its update
Result = TypeVar("Result")


class ChildError(RuntimeError):
    """A child has failed, been killed, or fallen silent."""


class Clock:
    """Seconds by phase; a phase within another stops that one's clock, and what is in none belongs to the update."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._phase, self._since = "update", 0.0

    def start(self) -> None:
        """A new step."""
        self.seconds = dict.fromkeys(PHASES, 0.0)
        self._phase, self._since = "update", time.perf_counter()

    def stop(self) -> dict[str, float]:
        """The seconds of the step that ends here."""
        self._turn_to(self._phase)
        return self.seconds

    def timed(self, phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
        """The function, its time on this phase's account."""

        def call(*args: Any, **kwargs: Any) -> Any:
            with self.on(phase):
                return function(*args, **kwargs)

        return call

    @contextmanager
    def on(self, phase: str) -> Iterator[None]:
        """Whatever happens within is on this phase's account."""
        outer = self._phase
        self._turn_to(phase)
        yield
        self._turn_to(outer)

    def _turn_to(self, phase: str) -> None:
        now = time.perf_counter()
        if self.seconds:
            self.seconds[self._phase] = self.seconds.get(self._phase, 0.0) + now - self._since
        self._phase, self._since = phase, now


@dataclass(frozen=True)
class Step:
    """What one step took."""

    seconds: dict[str, float]  # by phase
    processor_seconds: float  # of all threads: what other processes do hardly moves them
    peak_bytes: int  # above the loaded model, the most so far

    @property
    def total(self) -> float:
        """Seconds of all phases."""
        return sum(self.seconds.values())


class Gate:
    """What a child stands at before and after each step."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection, self.clock = connection, clock
        self.command = ""
        self._loaded_bytes, self._processor_seconds = 0, 0.0

    def loaded(self) -> None:
        """Model and data are there: memory is counted from here on."""
        gc.collect()
        self._loaded_bytes = resident_bytes()
        forget_peak()
        self.connection.send("loaded")

    def enter(self) -> None:
        """Wait until the step may begin."""
        self.command = self.connection.recv()
        self._processor_seconds = time.process_time()
        self.clock.start()

    def leave(self) -> None:
        """Report the step."""
        seconds = self.clock.stop()
        spent = time.process_time() - self._processor_seconds
        self.connection.send(Step(seconds, spent, peak_bytes() - self._loaded_bytes))


@dataclass(frozen=True)
class Failure:
    """Why a child has ended early."""

    reason: str


class Child:
    """The parent's end of one process."""

    def __init__(self, work: Callable[..., Any], *arguments: Any, threads: int, **environment: str) -> None:
        context = multiprocessing.get_context("fork")  # the parent has imported all libraries, and used none
        self.connection, theirs = context.Pipe()
        self.process = context.Process(
            target=_run,
            args=(theirs, work, arguments, threads, environment),
            name=f"{work.__module__}.{work.__name__}",
            daemon=True,
        )
        self.process.start()
        theirs.close()

    def tell(self, command: str) -> None:
        """Let it take its next step: STEP, or COUNT and tell in the end what it has counted."""
        self.connection.send(command)

    def step(self) -> Step:
        """What its next step takes."""
        self.tell(STEP)
        step: Step = self.receive()
        return step

    def receive(self) -> Any:
        """Its next message.

        Raises:
            ChildError: it has failed, been killed, or not answered in time.
        """
        try:
            if not self.connection.poll(TIMEOUT_SECONDS):
                raise ChildError(f"{self.process.name} has not answered for {TIMEOUT_SECONDS:.0f} s")
            message = self.connection.recv()
        except EOFError:
            self.process.join()
            raise ChildError(f"{self.process.name} was ended with exit code {self.process.exitcode}") from None
        if isinstance(message, Failure):
            raise ChildError(f"{self.process.name}: {message.reason}")
        return message

    def end(self) -> None:
        """No more of it."""
        self.connection.close()
        self.process.kill()
        self.process.join()


def in_child(work: Callable[..., Result], *arguments: Any, threads: int) -> Result:
    """The result of a function, worked out in a process of its own."""
    child = Child(_alone, work, *arguments, threads=threads)
    try:
        result: Result = child.receive()
        return result
    finally:
        child.end()


def _alone(_connection: Connection, work: Callable[..., Result], *arguments: Any) -> Result:
    return work(*arguments)


def _run(
    connection: Connection, work: Callable[..., Any], arguments: tuple[Any, ...], threads: int,
    environment: dict[str, str],
) -> None:  # fmt: skip
    torch.set_num_threads(threads)
    os.environ.update(environment)
    silence_libraries()
    try:
        connection.send(work(connection, *arguments))
    except Exception as error:  # noqa: BLE001  whatever it is, it belongs into this cell's row
        connection.send(Failure(f"{type(error).__name__}: {error}"))


def silence_libraries() -> None:
    """What this process prints is the table."""
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    disable_progress_bar()


def resident_bytes() -> int:
    """Memory of this process now."""
    return _status("VmRSS")


def peak_bytes() -> int:
    """The most since `forget_peak`, or since the process began where that is not allowed."""
    return _status("VmHWM")


def forget_peak() -> None:
    """Begin to look for the peak anew."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        logging.getLogger(__name__).warning("the peak of memory cannot be reset: it includes loading")


def _status(key: str) -> int:
    lines = defaultdict(str, (line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines()))
    return int(lines[key].split()[0]) * 1024
