"""Products of float32 matrices on the CPU by the library that is fast there.

torch multiplies them by MKL, which on AMD's processors leaves the instructions of 512 bits unused. oneDNN, which torch
has as well, takes half of the time there. Nothing is timed to choose between the two: processor, type and shape decide,
so that a machine rounds alike in every run.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

# oneDNN compiles a kernel for each new number of rows, in 0.3 ms: a product by a smaller weight never earns them back.
LEAST_SIDE = 64
# Its call takes 0.01 ms: what is less work than that, in multiplications, is done sooner by MKL.
LEAST_WORK = 2**20


def is_mkl_slow() -> bool:
    """Whether oneDNN is the faster one on this processor."""
    has_both = torch.backends.mkl.is_available() and torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    processor = torch.cpu.get_capabilities()
    return has_both and "AMD" in processor.get("cpu_name", "") and bool(processor.get("avx512_f"))


IS_MKL_SLOW = is_mkl_slow()


class FixedProduct:
    """x @ weight.T + bias for many x of few rows, with the weight [out, in] copied as the product wants it.

    Args:
        weight: which may change afterwards; the copy does not.
        bias: [out].
        rows: of most x.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None, *, rows: int) -> None:
        self.bias = None if bias is None else bias.clone()
        self.is_packed = is_for_onednn(weight) and rows * weight.numel() >= LEAST_WORK
        if self.is_packed:
            self.weight = torch.ops.mkldnn._reorder_linear_weight(weight.contiguous(), rows)
        else:
            self.weight = weight.t().clone(memory_format=torch.contiguous_format)

    def __call__(self, states: Tensor, plus: Tensor | None = None) -> Tensor:
        """[N, in] to [N, out], added to `plus` where there is a residual [N, out]."""
        if self.is_packed:
            result = onednn_product(states, self.weight, self.bias)
            return result if plus is None else result.add_(plus)
        added = [tensor for tensor in (self.bias, plus) if tensor is not None]
        return torch.addmm(sum(added[1:], added[0]), states, self.weight) if added else states @ self.weight


def product(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of states [..., in] and a weight [out, in], + bias, by the faster library; differentiable once."""
    if not is_for_onednn(weight) or not states.numel() or torch.is_autocast_enabled("cpu"):
        return functional.linear(states, weight, bias)
    if not torch.is_grad_enabled():
        return onednn_product(states, weight, bias)
    result: Tensor = OneDNNProduct.apply(states, weight, bias)  # type: ignore[no-untyped-call]
    return result


def is_for_onednn(weight: Tensor) -> bool:
    """Whether a product by this weight is faster there."""
    is_plain = weight.dtype == torch.float32 and weight.device.type == "cpu"
    return IS_MKL_SLOW and is_plain and min(weight.shape) >= LEAST_SIDE


def onednn_product(states: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """Of states [..., in] and a weight [out, in], as it is or packed, + bias; without a gradient."""
    result: Tensor = torch.ops.mkldnn._linear_pointwise(states, weight, bias, "none", [], "")
    return result


class OneDNNProduct(torch.autograd.Function):
    """`onednn_product` with its gradients."""

    @staticmethod
    def forward(ctx: Any, states: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        ctx.save_for_backward(states if ctx.needs_input_grad[1] else None, weight)
        return onednn_product(states, weight, bias)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        states, weight = ctx.saved_tensors
        has_states, has_weight, has_bias = ctx.needs_input_grad
        flat = gradient.reshape(-1, gradient.shape[-1])
        return (
            onednn_product(gradient, weight.t()) if has_states else None,
            _of_weight(flat, states.reshape(-1, states.shape[-1])) if has_weight else None,
            flat.sum(dim=0) if has_bias else None,
        )


def _of_weight(gradient: Tensor, states: Tensor) -> Tensor:
    """gradient.T @ states [out, in]; the product is faster with its shorter side first."""
    if gradient.shape[1] <= states.shape[1]:
        return onednn_product(gradient.t(), states.t())
    return onednn_product(states.t(), gradient.t()).t().contiguous()
