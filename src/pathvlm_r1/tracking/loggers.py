"""Where metrics, sampled completions and a run's summary go: Weights & Biases, a CSV file, or nowhere."""

from __future__ import annotations

import csv
import io
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import wandb
from PIL import Image
from pytorch_lightning.loggers import CSVLogger, Logger, WandbLogger
from pytorch_lightning.loggers.csv_logs import ExperimentWriter
from pytorch_lightning.loggers.logger import rank_zero_experiment
from wandb.sdk.lib import wbauth

from pathvlm_r1.tracking.files import write_text

LoggerName = Literal["wandb", "csv", "none"]

COMPLETIONS_KEY = "samples/completions"
SAMPLES_FILE = "samples.jsonl"
_WANDB_HOST = "https://api.wandb.ai"


@dataclass(frozen=True, kw_only=True)
class CompletionRow:
    """One sampled completion as people read it; a term that did not apply is None."""

    question: str
    picture: Image.Image | None
    completion: str
    rewards: Mapping[str, float | None]
    events: Sequence[str]


class RunFolderCSVLogger(CSVLogger):  # type: ignore[misc]
    """Lightning's CSV logger with its file right in the run folder, where a resumed run goes on writing."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, name="", version="", flush_logs_every_n_steps=1)
        self._experiment: Any = None

    @property
    @rank_zero_experiment  # type: ignore[untyped-decorator]
    def experiment(self) -> Any:
        if self._experiment is None:
            self._experiment = _GoingOnWriter(self.save_dir)
        return self._experiment


class _GoingOnWriter(ExperimentWriter):  # type: ignore[misc]
    """Keeps the rows that are there, but for those that a killed process wrote behind the checkpoint."""

    is_going_on = False  # rows of another process are there, and none of this one's yet

    def log_metrics(self, metrics_dict: dict[str, float], step: int | None = None) -> None:
        """Remember a row; the first one says where this process goes on."""
        if self.is_going_on and step is not None:
            self.is_going_on = False
            self._forget_from(step)
        super().log_metrics(metrics_dict, step)

    def _check_log_dir_exists(self) -> None:
        """Lightning's own writer warns of a folder in use and deletes what is there."""
        path = Path(self.metrics_file_path)
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                self.metrics_keys = next(csv.reader(file), [])
            self.is_going_on = bool(self.metrics_keys)

    def _forget_from(self, step: int) -> None:
        """Cut off the rows of this step and later ones, and one that a kill has torn."""
        path, kept = Path(self.metrics_file_path), io.StringIO()
        writer = csv.DictWriter(kept, fieldnames=self.metrics_keys)
        writer.writeheader()
        written = path.read_bytes().decode()
        whole = io.StringIO(written[: written.rfind("\n") + 1])
        writer.writerows(row for row in csv.DictReader(whole) if _is_before(row.get("step"), step))
        write_text(path, kept.getvalue())


def build_logger(
    name: LoggerName,
    folder: Path,
    *,
    project: str | None = None,
    group: str | None = None,
    job_type: str | None = None,
    run_name: str | None = None,
) -> Logger | Literal[False]:
    """The logger of a run, as Lightning's Trainer takes it.

    wandb is offline unless it has an API key or WANDB_MODE says otherwise; its run has the folder's name as id, so
    that a resumed run goes on in it.

    Raises:
        ValueError: `name` is not the name of a logger.
    """
    if name == "none":
        return False
    if name == "csv":
        return RunFolderCSVLogger(folder)
    if name != "wandb":
        raise ValueError(f"logger.name={name}: one of wandb, csv, none")
    absolute = folder.absolute()  # its service writes, which may have been started in another folder
    logger = WandbLogger(
        name=run_name, save_dir=absolute, id=re.sub(r"[^A-Za-z0-9_-]", "-", folder.name), project=project, group=group,
        job_type=job_type, mode=_wandb_mode(), settings=wandb.Settings(silent=True, console="off"),
    )  # fmt: skip
    logger._wandb_init.pop("anonymous")  # Lightning's None for a setting that wandb has dropped, and warns of
    return logger


def log_completion_table(logger: Logger | Literal[False] | None, rows: Sequence[CompletionRow], step: int) -> None:
    """Show completions: a table with pictures in wandb, lines of samples.jsonl without them beside metrics.csv."""
    if isinstance(logger, WandbLogger):
        terms = _terms(rows)
        columns = ["question", "picture", "completion", *(f"reward/{term}" for term in terms), "events"]
        logger.log_table(COMPLETIONS_KEY, columns=columns, data=[_cells(row, terms) for row in rows], step=step)
    elif isinstance(logger, CSVLogger):
        path = Path(logger.save_dir) / SAMPLES_FILE
        lines = [json.dumps({"step": step, **_written(row)}, ensure_ascii=False) + "\n" for row in rows]
        write_text(path, "".join([*_lines_before(path, step), *lines]))


@contextmanager
def summarised(logger: Logger | Literal[False] | None, measured: Mapping[str, Any]) -> Iterator[None]:
    """End wandb's run with the numbers measured in it, as failed if it raises; elsewhere the manifest has them.

    Args:
        logger: of the run.
        measured: filled while it runs; what is not a number stays out of the summary.
    """
    exit_code = 1
    try:
        yield
        exit_code = 0
    finally:
        if isinstance(logger, WandbLogger):
            numbers = {name: value for name, value in measured.items() if isinstance(value, int | float)}
            logger.experiment.summary.update(numbers)
            logger.experiment.finish(exit_code=exit_code)


def _wandb_mode() -> Literal["online", "offline"] | None:
    if os.environ.get("WANDB_MODE"):
        return None  # wandb reads it
    host = os.environ.get("WANDB_BASE_URL", _WANDB_HOST)
    has_key = bool(os.environ.get("WANDB_API_KEY")) or wbauth.read_netrc_auth(host=host) is not None
    return "online" if has_key else "offline"


def _terms(rows: Sequence[CompletionRow]) -> list[str]:
    return list(dict.fromkeys(term for row in rows for term in row.rewards))


def _cells(row: CompletionRow, terms: Sequence[str]) -> list[Any]:
    picture = wandb.Image(row.picture) if row.picture is not None else None
    return [row.question, picture, row.completion, *map(row.rewards.get, terms), "\n".join(row.events)]


def _lines_before(path: Path, step: int) -> Iterator[str]:
    """The whole lines of earlier steps: those of this one or later are of a process that was killed."""
    if path.is_file():
        with path.open(encoding="utf-8") as file:
            yield from (line for line in file if line.endswith("\n") and json.loads(line)["step"] < step)


def _is_before(written: str | None, step: int) -> bool:
    """Whether a row's step is an earlier one."""
    return written is not None and written.isdecimal() and int(written) < step


def _written(row: CompletionRow) -> dict[str, Any]:
    return {
        "question": row.question,
        "completion": row.completion,
        "rewards": dict(row.rewards),
        "events": list(row.events),
    }
