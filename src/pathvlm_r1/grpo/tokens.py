"""The tensors of a micro-batch, and what a whole optimiser step averages over."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Tokens:
    """N rows of C completion tokens. Where the mask is False anything may stand, nan included.

    Only `log_probs` and `entropy` carry a gradient.
    """

    log_probs: Tensor  # [N, C] float32 or float64, of the policy that learns
    old_log_probs: Tensor  # [N, C] of the policy that sampled, by the trainer's own model
    advantages: Tensor  # [N]
    mask: Tensor  # [N, C] bool, True at the tokens that count
    reference_log_probs: Tensor | None = None  # [N, C]; None only where beta is 0
    sampler_log_probs: Tensor | None = None  # [N, C] as another engine reported them; None: the engine is the trainer's
    entropy: Tensor | None = None  # [N, C] in nats; needed by an entropy bonus and a top-entropy mask

    def __post_init__(self) -> None:
        """Refuse shapes and types that do not fit together, every fault at once."""
        if self.log_probs.dim() != 2:
            raise ValueError(f"log_probs is {list(self.log_probs.shape)}: pass [N, C], rows x completion tokens")
        faults = [
            f"{name} is {list(tensor.shape)}, beside log_probs of {list(self.log_probs.shape)} it must be {list(shape)}"
            for name, (tensor, shape) in self._expected().items()
            if tensor.shape != shape
        ]
        if self.log_probs.dtype not in (torch.float32, torch.float64):
            faults.append(
                f"log_probs is {self.log_probs.dtype}: take log-probabilities and their sums in float32 or float64"
            )
        if self.mask.dtype != torch.bool:
            faults.append(f"mask is {self.mask.dtype}: it must be bool, True at the tokens that count")
        if faults:
            raise ValueError("; ".join(faults))

    def _expected(self) -> dict[str, tuple[Tensor, torch.Size]]:
        shape = self.log_probs.shape
        optional = {
            name: (tensor, shape)
            for name in ("reference_log_probs", "sampler_log_probs", "entropy")
            if (tensor := getattr(self, name)) is not None
        }
        return {
            "old_log_probs": (self.old_log_probs, shape),
            "mask": (self.mask, shape),
            "advantages": (self.advantages, shape[:1]),
            **optional,
        }

    def zeroed(self) -> Tokens:
        """The same with 0 wherever nothing counts: not even nan gets through, to the loss or to the gradient."""
        return replace(
            self,
            log_probs=self.where_counted(self.log_probs),
            old_log_probs=self.where_counted(self.old_log_probs.detach()),
            advantages=torch.where(self.mask.any(dim=-1), self.advantages.detach(), 0.0),
            reference_log_probs=self._optional(self.reference_log_probs),
            sampler_log_probs=self._optional(self.sampler_log_probs),
            entropy=None if self.entropy is None else self.where_counted(self.entropy),
        )

    def where_counted(self, values: Tensor) -> Tensor:
        """[N, C] or [N, 1] to [N, C], 0 where the mask is False."""
        return torch.where(self.mask, values, 0.0)

    def _optional(self, values: Tensor | None) -> Tensor | None:
        return None if values is None else self.where_counted(values.detach())


@dataclass(frozen=True)
class Totals:
    """How much one optimiser step averages over, all its micro-batches and processes together."""

    rows: int  # completions, those without a counted token included
    tokens: int  # at which the mask is True
    entropy_floor: float | None = None  # nats; tokens below it leave the policy term (see grpo.entropy)
    top_tokens: int | None = None  # tokens at or above that floor

    def __post_init__(self) -> None:
        if self.rows < 1 or self.tokens < 0:
            raise ValueError(f"{self}: an optimiser step has at least one row and no negative number of tokens")

    @classmethod
    def of(cls, mask: Tensor) -> Totals:
        """Those of an optimiser step whose whole mask is `mask` [N, C]."""
        return cls(rows=mask.shape[0], tokens=int(mask.sum()))
