"""What the machine can do at most, and what a step asks of it: multiplications of matrices."""

from __future__ import annotations

import math
import platform
import time
from collections.abc import Callable
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from pathvlm_r1.model.products import product

# Names of operators in a profile.
FLASH = "aten::_scaled_dot_product_flash_attention_for_cpu"
OWN_ATTENTION = "aten::bmm"  # of a decoding step to its own tokens
PRODUCTS = ("aten::mm", "aten::addmm", "aten::addmm_", "mkldnn::_linear_pointwise")

GEMM_SIZES = (512, 1024, 2048)
GEMM_REPEATS = 8


def peak_gemm_rate() -> float:
    """Floating-point operations per second of the fastest product of two float32 matrices, whichever library's."""
    rates = []
    for size in GEMM_SIZES:
        left, right = torch.rand(2, size, size)
        for multiply in (torch.mm, product):
            for _ in range(GEMM_REPEATS):
                started = time.perf_counter()
                multiply(left, right)
                rates.append(2 * size**3 / (time.perf_counter() - started))
    return max(rates)


def counted_flops(work: Callable[..., Any], *arguments: Any) -> int:
    """Operations of all matrix products in a piece of work, attention's and those of its gradient among them."""
    attention = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
    backward = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu_backward
    known = {
        attention: _attention_flops, backward: _attention_backward_flops,
        torch.ops.mkldnn._linear_pointwise: _product_flops, torch.ops.aten.addmm_: _added_product_flops,
    }  # fmt: skip
    with FlopCounterMode(display=False, custom_mapping=known) as counter:
        work(*arguments)
    return counter.get_total_flops()


def description(threads: int) -> dict[str, str | int]:
    """What timings depend on."""
    return {
        "processor": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "threads": threads,
    }


def _attention_flops(query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_flop_count(query, key, value)


def _attention_backward_flops(gradient: Any, query: Any, key: Any, value: Any, *_: Any, **__: Any) -> int:
    return sdpa_backward_flop_count(gradient, query, key, value)


def _product_flops(states: Any, weight: Any, *_: Any, **__: Any) -> int:
    (columns, width), rows = weight, math.prod(states[:-1])
    return 2 * rows * columns * width


def _added_product_flops(_: Any, left: Any, right: Any, *__: Any, **___: Any) -> int:
    return 2 * left[0] * left[1] * right[1]
