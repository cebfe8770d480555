"""How often each source of a mixture was drawn, and what its questions earned."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from torch import Tensor

from pathvlm_r1.data import Sample
from pathvlm_r1.stages.credit import LearntRollout
from pathvlm_r1.tracking import MeasuredModule


class SourceCallback(Callback):  # type: ignore[misc]
    """Logs `mixture/<source>/…` after every optimiser step or rollout, over all processes.

    `share` is that of the run so far, also of one that goes on; `reward` and `accuracy` are of a rollout that drew the
    source.

    Args:
        names: of the sources, in order.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self.names = tuple(names)
        self.drawn = torch.zeros(len(self.names), dtype=torch.float64)
        self._earned: Tensor | None = None  # [S, 2, 2] of a rollout: reward and accuracy, sum and count

    def on_rollout(self, rollout: LearntRollout) -> None:
        """Keep what this process's share of a rollout has earned until the step has ended."""
        places = torch.tensor([self.names.index(group[0].sample.source) for group in rollout.groups])
        accuracy = rollout.rewards.terms.get("accuracy", torch.full_like(rollout.rewards.total, torch.nan))
        self._earned = torch.stack(
            [_sums(one, places, len(self.names)) for one in (rollout.rewards.total, accuracy)], 1
        )

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: MeasuredModule, outputs: Any, batch: list[Sample], batch_idx: int
    ) -> None:
        del trainer, outputs, batch_idx
        counts = torch.zeros_like(self.drawn)
        for sample in batch:
            counts[self.names.index(sample.source)] += 1
        self.drawn += _over_processes(pl_module, counts)
        metrics = {f"mixture/{name}/share": float(share) for name, share in zip(
            self.names, self.drawn / self.drawn.sum(), strict=True)}  # fmt: skip
        if self._earned is not None:
            earned = _over_processes(pl_module, self._earned)
            self._earned = None
            for place, what in enumerate(("reward", "accuracy")):
                for name, (total, count) in zip(self.names, earned[:, place].tolist(), strict=True):
                    metrics |= {f"mixture/{name}/{what}": total / count} if count else {}
        pl_module.log_metrics(metrics)

    def state_dict(self) -> dict[str, Any]:
        return {"drawn": self.drawn}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self.drawn = state_dict["drawn"]


def _sums(values: Tensor, places: Tensor, sources: int) -> Tensor:
    """[S, 2]: sum and count of the known values [B, G] of each source; `places` [B] says whose a group is."""
    known = ~values.isnan()
    rows = torch.stack([values.nan_to_num().sum(dim=1), known.sum(dim=1)], dim=1).double().cpu()
    return torch.zeros(sources, 2, dtype=torch.float64).index_add(0, places, rows)


def _over_processes(module: MeasuredModule, values: Tensor) -> Tensor:
    gathered: Tensor = module.all_gather(values)
    return gathered.reshape(-1, *values.shape).sum(dim=0).cpu()
