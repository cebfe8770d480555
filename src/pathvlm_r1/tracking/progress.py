"""Progress on the console: a bar in a terminal, a line per tenth of the work anywhere else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, Protocol, TypeVar

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import ProgressBar
from rich import get_console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from pathvlm_r1.tracking.console import say

SHOWN_METRICS = ("loss", "reward/total", "reward/accuracy", "validation/accuracy")
_LINES = 10  # printed per run where there is no terminal
_SECONDS_BETWEEN_METRICS = 0.5  # reading one waits for the GPU

Item = TypeVar("Item")


class StepProgress(ProgressBar):  # type: ignore[misc]
    """Lightning's progress bar, counted in optimiser steps.

    Shows those metrics whose name ends, as `sft/loss` does, in a slash and one of `metrics`.
    """

    def __init__(self, label: str, total_steps: int, *, metrics: tuple[str, ...] = SHOWN_METRICS) -> None:
        super().__init__()
        self.label = label
        self.total_steps = total_steps
        self.metrics = metrics
        self._is_enabled = True
        self._display: _Display | None = None

    def disable(self) -> None:
        """Show nothing: asked by Lightning on every process but the first."""
        self._is_enabled = False

    def enable(self) -> None:
        self._is_enabled = True

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del pl_module
        if self._is_enabled:
            self._display = _display(self.label, self.total_steps, trainer.global_step)

    def on_train_batch_end(self, trainer: Trainer, pl_module: LightningModule, *batch: Any) -> None:
        del pl_module, batch
        if self._display is not None:
            self._display.update(trainer.global_step, lambda: _short(trainer.callback_metrics, self.metrics))

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        del trainer, pl_module
        self._stop()

    def on_exception(self, trainer: Trainer, pl_module: LightningModule, exception: BaseException) -> None:
        del trainer, pl_module, exception
        self._stop()

    def _stop(self) -> None:
        if self._display is not None:
            self._display.stop()
            self._display = None


def progress_over(items: Iterable[Item], label: str, total: int) -> Iterator[Item]:
    """The items, one by one, with the progress through them on the console."""
    with _displayed(label, total) as display:
        for done, item in enumerate(items, start=1):
            yield item
            display.update(done, str)  # no metrics


class _Display(Protocol):
    def update(self, done: int, metrics: Callable[[], str]) -> None: ...

    def stop(self) -> None: ...


class _Bar:
    """A live bar in a terminal."""

    def __init__(self, label: str, total: int, done: int) -> None:
        columns = (
            TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(),
            TextColumn("{task.fields[metrics]}", markup=False), TimeElapsedColumn(), TimeRemainingColumn(),
        )  # fmt: skip
        self._progress = Progress(*columns, console=get_console())
        self._task = self._progress.add_task(label, total=total, completed=done, metrics="")
        self._total = total
        self._shown_at = 0.0
        self._progress.start()

    def update(self, done: int, metrics: Callable[[], str]) -> None:
        now = time.monotonic()
        if done < self._total and now - self._shown_at < _SECONDS_BETWEEN_METRICS:
            self._progress.update(self._task, completed=done)
            return
        self._shown_at = now
        self._progress.update(self._task, completed=done, metrics=metrics())

    def stop(self) -> None:
        self._progress.stop()


class _Lines:
    """One line per tenth of the work, for log files."""

    def __init__(self, label: str, total: int, done: int) -> None:
        self._label = label
        self._total = total
        self._first = done
        self._tenth = self._tenth_of(done)
        self._started_at = time.monotonic()

    def update(self, done: int, metrics: Callable[[], str]) -> None:
        tenth = self._tenth_of(done)
        if tenth <= self._tenth:
            return
        self._tenth = tenth
        elapsed = time.monotonic() - self._started_at
        remaining = elapsed / (done - self._first) * max(0, self._total - done)
        parts = (
            f"{self._label} {done}/{self._total}",
            metrics(),
            f"{_clock(elapsed)} elapsed, {_clock(remaining)} left",
        )
        say("  ".join(part for part in parts if part))

    def stop(self) -> None:
        """Nothing is open."""

    def _tenth_of(self, done: int) -> int:
        return done * _LINES // max(1, self._total)


def _display(label: str, total: int, done: int) -> _Display:
    return _Bar(label, total, done) if get_console().is_terminal else _Lines(label, total, done)


@contextmanager
def _displayed(label: str, total: int) -> Iterator[_Display]:
    display = _display(label, total, 0)
    try:
        yield display
    finally:
        display.stop()


def _short(values: Mapping[str, Any], chosen: tuple[str, ...]) -> str:
    found = {end: value for end in chosen for name, value in values.items() if f"/{name}".endswith(f"/{end}")}
    return "  ".join(f"{end} {float(value):.3f}" for end, value in found.items())


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
