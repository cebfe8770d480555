"""The linear layers of a model and of its adapter, as the library has them but for how they compute."""

from __future__ import annotations

from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn

from pathvlm_r1.model.products import product


def use_fast_layers(model: nn.Module) -> None:
    """Let every linear layer of a model compute the fast way; weights and names stay, and results but for rounding."""
    for module in model.modules():
        faster = _FASTER.get(type(module))
        if faster is not None:
            module.__class__ = faster


class Linear(nn.Linear):
    """The library's layer with the faster product."""

    def forward(self, input: Tensor) -> Tensor:  # noqa: A002, as the library names it
        """[..., in] to [..., out]."""
        return product(input, self.weight, self.bias)


class LoRALinear(lora.Linear):  # type: ignore[misc]
    """PEFT's layer, whose adapter is summed into the product before it.

    So no tensor of the output's size is written but the output, nor one of its gradient's but that gradient.
    """

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """[..., in] to [..., out]."""
        if args or kwargs or not self._is_plain_for(x):
            result: Tensor = super().forward(x, *args, **kwargs)
            return result
        (name,) = self.active_adapters
        rows = x.flatten(0, -2)
        narrow = self.lora_A[name](self.lora_dropout[name](rows))
        wide: Tensor = self.base_layer(rows).addmm_(narrow, self.lora_B[name].weight.t(), alpha=self.scaling[name])
        return wide.unflatten(0, x.shape[:-1])  # type: ignore[no-untyped-call, no-any-return]

    def _is_plain_for(self, x: Tensor) -> bool:
        """Whether there is one adapter, on, apart from the weight, none of PEFT's variants, and all of one type."""
        names = self.active_adapters
        if self.disable_adapters or self.merged or len(names) != 1 or names[0] not in self.lora_A:
            return False
        narrow, wide = self.lora_A[names[0]], self.lora_B[names[0]]
        is_cast = torch.is_autocast_enabled(x.device.type) or narrow.weight.dtype != x.dtype
        return not is_cast and names[0] not in self.lora_variant and wide.bias is None


_FASTER: dict[type, type] = {nn.Linear: Linear, lora.Linear: LoRALinear}
