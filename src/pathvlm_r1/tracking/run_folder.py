"""The folder of one run: where everything that it keeps has its place."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass
from datetime import datetime
from itertools import count
from pathlib import Path

from pathvlm_r1.tracking.files import disk_faults_explained


@dataclass(frozen=True)
class RunFolder:
    """A run's folder and the places in it."""

    path: Path

    @property
    def manifest(self) -> Path:
        """What the run was asked, on what, and how it ended."""
        return self.path / "manifest.json"

    @property
    def checkpoints(self) -> Path:
        """The folder of the full training state."""
        return self.path / "checkpoints"

    @property
    def last_checkpoint(self) -> Path:
        """The newest full training state."""
        return self.checkpoints / "last.ckpt"

    @property
    def export(self) -> Path:
        """The trained model as a Hugging Face folder."""
        return self.path / "export"

    @property
    def metrics(self) -> Path:
        """Metrics by step, where the csv logger is chosen."""
        return self.path / "metrics.csv"

    def completions_of(self, process: int) -> Path:
        """The log of the completions that one process of a GRPO run has sampled."""
        return self.path / ("completions.jsonl" if process == 0 else f"completions.{process}.jsonl")

    @property
    def completions(self) -> list[Path]:
        """The logs that are there, the first process's first."""
        others = (path for path in self.path.glob("completions.*.jsonl") if path.suffixes[0][1:].isdecimal())
        found = [self.completions_of(0), *sorted(others, key=lambda path: int(path.suffixes[0][1:]))]
        return [path for path in found if path.is_file()]

    @property
    def predictions(self) -> Path:
        """The folder of scored completions: <dataset>.<split>.<decoding>[.<contract>][.<control>].jsonl."""
        return self.path / "predictions"

    @property
    def choices(self) -> Path:
        """The folder of forced choices: <dataset>.<split>.<evaluation>.jsonl."""
        return self.path / "choices"

    @property
    def qualities(self) -> Path:
        """The folder of judged answers: <dataset>.<split>.<evaluation>.jsonl."""
        return self.path / "qualities"

    @property
    def generations(self) -> Path:
        """The folder of what an evaluation generated, before anything has read it."""
        return self.path / "generations"


def ensure_writable(output: Path) -> None:
    """Make the folder that runs are written under, before anything is spent on one.

    Raises:
        TrackingError: `output` is no folder that can be written to.
    """
    with disk_faults_explained(output, "no run was started"):
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK | os.X_OK):
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(output))


def create_run_folder(output: Path, name: str) -> RunFolder:
    """Make `<output>/<timestamp>-<name>`, with a number behind it where another run has taken the name.

    Raises:
        TrackingError: `output` is no folder that can be written to.
    """
    ensure_writable(output)
    stem = f"{datetime.now().astimezone():%Y%m%d-%H%M%S}-{re.sub(r'[^A-Za-z0-9._-]+', '-', name)}"
    with disk_faults_explained(output, "no run was started"):
        for attempt in count(1):
            path = output / (stem if attempt == 1 else f"{stem}-{attempt}")
            try:
                path.mkdir()  # the file system decides between two that start together
            except FileExistsError:
                continue
            break
    return RunFolder(path)
