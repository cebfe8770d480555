"""Where the time of our GRPO step lies: seconds of torch's operators by kind, in each phase of one profiled step.

python benchmarks/step_profile.py [--model nano] [--group 16] [--prompt 1024] [--completion 96] [--threads 2]

What no operator takes is Python, Lightning and the profiler itself, which makes small calls look dearer than they are.
"""

from __future__ import annotations

import argparse
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch
from pytorch_lightning import Callback, Trainer
from rich.console import Console
from rich.table import Table
from steps import ours
from steps.cells import Cell, weights
from steps.children import silence_libraries
from steps.machine import FLASH, OWN_ATTENTION, PRODUCTS
from torch.profiler import ProfilerActivity, profile, record_function

from pathvlm_r1.stages import GRPOModule

WARM_UP = 2  # steps before the profiled one
ROLLOUT, LOG_PROBS, REFERENCE = NAMED = ("rollout", "log-probs", "reference")
UPDATE = "update"  # what is in no other phase
KINDS = {
    **dict.fromkeys((FLASH, f"{FLASH}_backward", OWN_ATTENTION), "attention"), **dict.fromkeys(PRODUCTS, "products"),
}  # fmt: skip
OTHER, NONE = "other operators", "no operator"
COLUMNS = ("attention", "products", OTHER, NONE)


class Profiled(Callback):
    """Profiles the step behind the warm-up."""

    def __init__(self) -> None:
        self.profile = profile(activities=[ProfilerActivity.CPU])

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        if trainer.global_step == WARM_UP:
            self.profile.start()

    def on_train_end(self, *_: Any) -> None:
        self.profile.stop()


def main(arguments: Sequence[str] | None = None) -> None:
    """Profile and print."""
    options = _parser().parse_args(arguments)
    torch.set_num_threads(options.threads)
    silence_libraries()
    with TemporaryDirectory() as folder:
        cell = Cell(
            model=options.model, adapter="lora", group_size=options.group, prompt_tokens=options.prompt,
            completion_tokens=options.completion, checkpoint=weights(options.model, Path(folder) / "weights"),
        )  # fmt: skip
        training, profiled = ours.prepared(cell, Path(folder), WARM_UP + 1), Profiled()
        name_phases(training.module)
        ours.fit(training, Path(folder), profiled)
    seconds = by_phase(profiled.profile.events() or [])
    whole = sum(sum(kinds.values()) for kinds in seconds.values())
    table = Table("phase", *COLUMNS, "sum", title=f"{cell.name}: {whole:.2f} s under the profiler")
    for phase, kinds in seconds.items():
        shares = [kinds[kind] / whole for kind in COLUMNS]
        table.add_row(phase, *(f"{share:.0%}" for share in (*shares, sum(shares))))
    table.add_row("sum", *(f"{sum(kinds[kind] for kinds in seconds.values()) / whole:.0%}" for kind in COLUMNS), "100%")
    Console().print(table)


def name_phases(module: GRPOModule) -> None:
    """Let the profile know the functions of each phase."""
    collector, reference = module.collector, module.reference
    collector.engine.sample = _named(ROLLOUT, collector.engine.sample)
    collector.encoder.prompt = _named(ROLLOUT, collector.encoder.prompt)
    module.current = _named(LOG_PROBS, module.current)
    reference.log_probs = _named(REFERENCE, reference.log_probs)


def by_phase(events: Sequence[Any]) -> dict[str, dict[str, float]]:
    """Seconds by phase and kind; an operator belongs to the phase that it begins in."""
    spans = [(event.time_range.start, event.time_range.end, event.name) for event in events if event.name in NAMED]
    found: dict[str, dict[str, float]] = defaultdict(lambda: defaultdict(float))
    for event in events:
        if event.name not in NAMED:
            start = event.time_range.start
            phase = next((name for begin, end, name in spans if begin <= start < end), UPDATE)
            found[phase][KINDS.get(event.name, OTHER)] += event.self_cpu_time_total / 1e6
    whole = max(event.time_range.end for event in events) - min(event.time_range.start for event in events)
    lasting = {phase: sum(end - begin for begin, end, name in spans if name == phase) / 1e6 for phase in NAMED}
    lasting[UPDATE] = whole / 1e6 - sum(lasting.values())
    for phase, kinds in found.items():
        kinds[NONE] = max(0.0, lasting[phase] - sum(kinds.values()))
    return found


def _named(phase: str, function: Callable[..., Any]) -> Callable[..., Any]:
    def call(*args: Any, **kwargs: Any) -> Any:
        with record_function(phase):
            return function(*args, **kwargs)

    return call


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="nano")
    for name, value in (("--group", 16), ("--prompt", 1024), ("--completion", 96), ("--threads", 2)):
        parser.add_argument(name, type=int, default=value)
    return parser


if __name__ == "__main__":
    main()
