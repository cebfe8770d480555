"""The watch over the signal as a callback of a GRPO run."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from pytorch_lightning import Callback, Trainer

from pathvlm_r1.contract import Contract
from pathvlm_r1.reward import SignalCounts, signal_counts
from pathvlm_r1.stages.credit import LearntRollout
from pathvlm_r1.stages.signal_watch import Notice, SignalWatch
from pathvlm_r1.tracking import MeasuredModule

_log = logging.getLogger(__name__)


class SignalCallback(Callback):  # type: ignore[misc]
    """Lets a `SignalWatch` follow a training run; counts are over all processes, of which the first one speaks."""

    def __init__(self, watch: SignalWatch, contract: Contract) -> None:
        self.watch = watch
        self.contract = contract
        self._rollout: SignalCounts | None = None

    def on_rollout(self, rollout: LearntRollout) -> None:
        """Keep the counts of this process's share until the step has ended."""
        self._rollout = signal_counts(rollout.groups, rollout.rewards, self.contract)

    def on_train_batch_end(self, trainer: Trainer, pl_module: MeasuredModule, *batch: Any) -> None:
        del batch
        if self._rollout is None:
            return
        gathered = pl_module.all_gather(asdict(self._rollout))
        self._rollout = None
        _say(trainer, self.watch.observe(SignalCounts(**_summed(gathered))))
        pl_module.log_metrics(self.watch.metrics)

    def on_train_end(self, trainer: Trainer, pl_module: MeasuredModule) -> None:
        del pl_module
        _say(trainer, self.watch.unfinished_summary())

    def state_dict(self) -> dict[str, Any]:
        return self.watch.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.watch.load_state_dict(state_dict)


def _say(trainer: Trainer, notices: Sequence[Notice]) -> None:
    if trainer.is_global_zero:
        for notice in notices:
            _log.log(logging.WARNING if notice.is_warning else logging.INFO, notice.text)


def _summed(gathered: dict[str, Any]) -> dict[str, Any]:
    """Each number of a nested dictionary, in tensors with one entry per process, summed over these."""
    return {name: _summed(part) if isinstance(part, dict) else int(part.sum()) for name, part in gathered.items()}
