"""The log of completions as a callback of a GRPO run: every rollout, once, over interruptions and kills too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer

from pathvlm_r1.evaluation import LoggedCompletion, log_lines
from pathvlm_r1.stages.credit import LearntRollout
from pathvlm_r1.tracking import RunFolder, TrackingError, append_text, sync


class CompletionLog(Callback):  # type: ignore[misc]
    """Appends the lines of each process's share of a rollout to its own file when the loss has taken it.

    A checkpoint knows how many rollouts there were. A run that goes on from it has these and no others in its files:
    the lines of later ones, which it will sample again, and a last line that a kill has torn are cut off.

    Args:
        folder: of the run, which all processes see.
    """

    def __init__(self, folder: RunFolder) -> None:
        self.folder = folder
        self.rollouts = 0
        self._known_bytes = 0  # of the first process's file, by the checkpoint

    def on_fit_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Cut off what the checkpoint does not know.

        Raises:
            TrackingError: rollouts from before the checkpoint are missing.
        """
        del pl_module
        own = self.folder.completions_of(trainer.global_rank)
        cut = self.folder.completions if trainer.is_global_zero else [path for path in [own] if path.is_file()]
        for path in cut:  # the first also those of processes that there no longer are
            _keep_rollouts(path, self.rollouts)
        if trainer.is_global_zero:
            self._require_all()

    def on_rollout(self, rollout: LearntRollout) -> None:
        """Write and flush the share of this process."""
        append_text(self.folder.completions_of(rollout.process), "".join(log_lines(logged(rollout))))
        self.rollouts = rollout.index + 1

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Bring the lines to the disk before the checkpoint that counts on them."""
        del pl_module, checkpoint
        path = self.folder.completions_of(trainer.global_rank)
        if path.is_file():
            sync(path)

    def state_dict(self) -> dict[str, Any]:
        return {"rollouts": self.rollouts, "bytes": self._bytes}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.rollouts, self._known_bytes = int(state_dict["rollouts"]), int(state_dict["bytes"])

    @property
    def _bytes(self) -> int:
        path = self.folder.completions_of(0)
        return path.stat().st_size if path.is_file() else 0

    def _require_all(self) -> None:
        if self._bytes != self._known_bytes:
            raise TrackingError(
                f"{self.folder.completions_of(0)}: has {self._bytes} bytes of the {self.rollouts} rollouts before the "
                f"checkpoint, which knows {self._known_bytes}; put the file back as it was, without which the rewards "
                "of this run cannot be verified"
            )


def logged(rollout: LearntRollout) -> Iterator[LoggedCompletion]:
    """What the log keeps of each completion, group by group."""
    credit, divergence, order = rollout.credit, rollout.credit.divergence, rollout.credit.order
    for b, group in enumerate(rollout.groups):
        for g, completion in enumerate(group):
            yield LoggedCompletion(
                rollout=rollout.index, steps_before=rollout.steps_before, step=rollout.step, process=rollout.process,
                processes=rollout.processes, group=b, index=g, sample_id=completion.sample.sample_id,
                completion=completion.text, finish_reason=completion.finish_reason,
                token_count=completion.token_count,
                terms={name: scores[b][g] for name, scores in rollout.rewards.scores.items()},
                total=float(credit.total[b, g]), advantage=float(rollout.advantages[b, g]),
                divergence=None if divergence is None else float(divergence[b, g]),
                dealt_from=None if order is None else int(order[b * len(group) + g]),
                counted=bool(rollout.is_counted[b, g]),
            )  # fmt: skip


def _keep_rollouts(path: Path, count: int) -> None:
    """Cut a file off behind the last whole line of so many rollouts."""
    end = max((end for rollout, end in _whole_lines(path) if rollout < count), default=0)
    with path.open("r+b") as file:
        file.truncate(end)


def _whole_lines(path: Path) -> Iterator[tuple[int, int]]:
    """Rollout of each whole line, and the place in the file behind it; nothing behind one that is torn."""
    end = 0
    with path.open("rb") as file:
        for line in file:
            end += len(line)
            if not line.endswith(b"\n"):
                return
            try:
                yield int(json.loads(line)["rollout"]), end
            except (ValueError, TypeError, KeyError):
                return
