"""Where the time of a decoding step lies: nano, 16 rows behind two prompts of 320 tokens, by kind of operator.

python benchmarks/decoding_step.py [--quick] [--threads 1]

Other work on the machine only adds time: the cost of an operator is the lower quartile of its calls under the profiler.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Sequence

import torch
from rich.console import Console
from rich.table import Table
from steps.machine import FLASH, OWN_ATTENTION, PRODUCTS
from torch.profiler import ProfilerActivity, profile
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.utils.logging import disable_progress_bar

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.model import EncodedPrompt, Policy
from pathvlm_r1.rollout import Decoding, NativeEngine

PROMPTS, PROMPT_TOKENS, GROUP_SIZE = 2, 320, 8
KINDS = {
    FLASH: "attention to the prompts", OWN_ATTENTION: "attention to oneself",
    **dict.fromkeys(PRODUCTS, "products by weights"),
}  # fmt: skip
REST = "all else"


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure and print."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    disable_progress_bar()
    tokens = 8 if options.quick else 96
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(EMBEDDED_FOLDER).eval()
    policy = Policy(model, suppressed_ids=[], temperature=1.0, cached_pictures=0)
    decode(policy, tokens)
    with profile(activities=[ProfilerActivity.CPU]) as profiled:
        decode(policy, tokens)
    costs = defaultdict(list)
    for event in profiled.events() or []:
        costs[event.name].append(event.self_cpu_time_total)
    kinds = by_kind(costs)
    whole = sum(spent for _, spent in kinds.values())
    table = Table(
        "kind", "calls per step", "share", title=f"{whole / tokens / 1e3:.1f} ms a step, threads: {options.threads}"
    )
    for kind, (calls, spent) in kinds.items():
        table.add_row(kind, f"{calls / tokens:.0f}", f"{spent / whole:.0%}")
    Console().print(table)


def decode(policy: Policy, tokens: int) -> None:
    """A rollout in which every completion has so many tokens."""
    prompts = [EncodedPrompt([300 + place % 500 for place in range(PROMPT_TOKENS)])] * PROMPTS
    engine = NativeEngine(end_ids=[-1], rows_per_batch=PROMPTS * GROUP_SIZE)
    engine.sample(policy, prompts, GROUP_SIZE, Decoding(tokens, 1.0), torch.Generator().manual_seed(0))


def by_kind(costs: dict[str, list[float]]) -> dict[str, tuple[int, float]]:
    """Number of calls, and microseconds of all, by kind of operator; those of every call given by its name."""
    kinds = dict.fromkeys((*KINDS.values(), REST), (0, 0.0))
    for name, each in costs.items():
        calls, spent = kinds[KINDS.get(name, REST)]
        kinds[KINDS.get(name, REST)] = (calls + len(each), spent + len(each) * sorted(each)[len(each) // 4])
    return kinds


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true", help="a few tokens")
    parser.add_argument("--threads", type=int, default=1)
    return parser


if __name__ == "__main__":
    main()
