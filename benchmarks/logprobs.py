"""Time and memory of a head's log-probs, forward and backward: ours, with all logits at once, and by TRL's function.

python benchmarks/logprobs.py [--quick] [--limit-gb 6] [--out benchmarks/results/logprobs.json]
    [--vocabularies 1000 32000 151936] [--tokens 512 2048 4096] [--repeats 5]

Every measurement is a process of its own, and the three ways take turns. Time is that of the processor, which other
programs change least. Memory is the peak above the loaded tensors, gradients included, as Linux counts it. Entropies
are computed without gradient, as in training. A frozen head is measured once: it is there for its memory.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import platform
import resource
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from pathvlm_r1.model import head_log_probs

RECORD = Path(__file__).parent / "results" / "logprobs.json"
VOCABULARIES = (1_000, 32_000, 151_936)  # about the embedded model's, a common one, Qwen2.5-VL's
TOKENS = (512, 2048, 4096)
DIMENSION = 2048  # of Qwen2.5-VL 3B
REPEATS = 5
QUICK = {"vocabularies": [20_000], "tokens": [256], "repeats": 3}
QUICK_DIMENSION = 32
TEMPERATURE = 0.7
LEAST_SECONDS = 0.5  # shorter passes are repeated in their process, and the median counts
WARM_UP = 16  # tokens
THEIR_COLUMNS = 32_768  # of a tile, as TRL's trainers ask for

Result = tuple[Tensor, Tensor]  # log-probs and entropies [T]


@dataclass(frozen=True)
class Cell:
    """What is scored."""

    vocabulary: int
    tokens: int
    dimension: int
    is_head_trained: bool  # under an adapter it is frozen

    @property
    def gradients_mib(self) -> float:
        """Of what backward gives, whichever way."""
        return 4 * self.dimension * (self.tokens + self.vocabulary * self.is_head_trained) / 2**20

    def tensors(self) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """States, weight, targets, and the gradients of the log-probs: in every process the same."""
        generator = torch.Generator().manual_seed(0)
        states = torch.empty(self.tokens, self.dimension).normal_(generator=generator)
        weight = torch.empty(self.vocabulary, self.dimension).normal_(std=2 * self.dimension**-0.5, generator=generator)
        targets = torch.randint(self.vocabulary, (self.tokens,), generator=generator)
        given = torch.randn(self.tokens, generator=generator)
        return states.requires_grad_(), weight.requires_grad_(self.is_head_trained), targets, given


@dataclass(frozen=True)
class Pass:
    """What forward and backward took once."""

    seconds: float  # of the processor
    peak_mib: float


@dataclass(frozen=True)
class Cost:
    """The passes of one way."""

    seconds: float  # median
    fastest_seconds: float
    slowest_seconds: float
    peak_mib: float  # the largest
    difference_from_ours: float  # of the results: see `difference`


@dataclass(frozen=True)
class Row:
    """A cell with what every way costs, None of one that does not fit."""

    cell: Cell
    repeats: int
    gradients_mib: float
    ways: dict[str, Cost | None]


def ours(states: Tensor, weight: Tensor, targets: Tensor) -> Result:
    """In tiles of tokens and vocabulary."""
    scores = head_log_probs(states, weight, targets, temperature=TEMPERATURE)
    return scores.log_probs, scores.entropy.detach()


def direct(states: Tensor, weight: Tensor, targets: Tensor) -> Result:
    """By the logits of all tokens."""
    log_p = ((states @ weight.T) / TEMPERATURE).log_softmax(dim=-1)
    with torch.no_grad():
        entropy = torch.special.entr(log_p.exp()).sum(dim=-1)
    return log_p.gather(-1, targets[:, None])[:, 0], entropy


def trl(states: Tensor, weight: Tensor, targets: Tensor) -> Result:
    """By TRL's function, as its trainers call it."""
    from trl.kernels import ChunkedLogProbFunction

    settings = (TEMPERATURE, THEIR_COLUMNS, None, 1.0, ("entropy",))
    log_probs, entropy, *_ = ChunkedLogProbFunction.apply(states, weight, None, targets, *settings)
    return log_probs, entropy.detach()


WAYS: dict[str, Callable[[Tensor, Tensor, Tensor], Result]] = {"ours": ours, "direct": direct, "trl": trl}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it down."""
    options = _parser().parse_args(arguments)
    if options.quick:
        vars(options).update(QUICK)
    console = Console(width=120)
    rows = []
    for cell in cells(options.vocabularies, options.tokens, QUICK_DIMENSION if options.quick else DIMENSION):
        rows.append(compared(cell, options.repeats if cell.is_head_trained else 1, options.limit_gb))
        console.print(as_table(rows[-1:]))  # all of them take an hour
    console.print(as_table(rows))
    out = options.out or (None if options.quick else RECORD)
    if out is not None:
        measured = {
            "python": platform.python_version(), "torch": torch.__version__, "trl": version("trl"),
            "machine": platform.machine(), "threads": torch.get_num_threads(), "dtype": "float32",
            "clock": "process CPU time", "limit_gb": options.limit_gb,
        }  # fmt: skip
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({**measured, "rows": [asdict(row) for row in rows]}, indent=2) + "\n")


def cells(vocabularies: Sequence[int], tokens: Sequence[int], dimension: int) -> list[Cell]:
    """Every size with a head that trains, and the largest vocabulary with a frozen one too."""
    trained = [Cell(v, count, dimension, is_head_trained=True) for v in vocabularies for count in tokens]
    return trained + [Cell(max(vocabularies), count, dimension, is_head_trained=False) for count in tokens]


def compared(cell: Cell, repeats: int, limit_gb: float | None) -> Row:
    """What each way costs, measured in turns."""
    passes: dict[str, list[Pass | None]] = {name: [] for name in WAYS}
    with TemporaryDirectory() as folder:
        for _ in range(repeats):
            for name, taken in passes.items():
                if None not in taken:  # it did not fit before
                    taken.append(_in_a_fresh_process(cell, name, limit_gb, Path(folder)))
        return Row(
            cell,
            repeats,
            cell.gradients_mib,
            {name: _cost(taken, Path(folder) / name) for name, taken in passes.items()},
        )


def _in_a_fresh_process(cell: Cell, name: str, limit_gb: float | None, folder: Path) -> Pass | None:
    """A child of a server that has imported what is slow to import, and computed nothing."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["pathvlm_r1.model", "trl.kernels"])
    with ProcessPoolExecutor(1, mp_context=context) as pool:
        return pool.submit(measure, cell, name, limit_gb, folder).result()


def measure(cell: Cell, name: str, limit_gb: float | None, folder: Path) -> Pass | None:
    """A pass in this process, with its results left in the folder; None if it needs more memory than the limit."""
    if limit_gb is not None:
        resource.setrlimit(resource.RLIMIT_DATA, (int(limit_gb * 1e9),) * 2)
    states, weight, targets, given = cell.tensors()
    few = slice(0, WARM_UP)
    _forward_and_backward(name, states.detach()[few], weight.detach()[:WARM_UP], targets[few] % WARM_UP, given[few])
    before = _resident_mib("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak so far is forgotten
    seconds: list[float] = []
    try:
        while sum(seconds) < LEAST_SECONDS:
            start = time.process_time()
            results = _forward_and_backward(name, states, weight, targets, given)
            seconds.append(time.process_time() - start)
    except RuntimeError as error:
        if "allocate memory" not in str(error):
            raise
        return None
    peak = _resident_mib("VmHWM") - before
    torch.save(results, folder / name)
    return Pass(median(seconds), peak)


def _forward_and_backward(name: str, states: Tensor, weight: Tensor, targets: Tensor, given: Tensor) -> list[Tensor]:
    """Log-probs, entropies, the gradient of the states, and of a trained head that of its rows, each in one number."""
    wanted = [tensor for tensor in (states, weight) if tensor.requires_grad]
    if not wanted:
        wanted = [states.requires_grad_()]
    log_probs, entropy = WAYS[name](states, weight, targets)
    of_states, *of_weight = torch.autograd.grad(log_probs, wanted, given)
    return [log_probs.detach(), entropy, of_states, *(each @ of_states[0] for each in of_weight)]


def _resident_mib(which: str) -> float:
    """VmRSS, what is resident, or VmHWM, the most that was."""
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(f"{which}:")]
    return int(line.split()[1]) / 1024


def _cost(passes: Sequence[Pass | None], results: Path) -> Cost | None:
    taken = [each for each in passes if each is not None]
    if len(taken) < len(passes):
        return None
    seconds = [each.seconds for each in taken]
    return Cost(
        median(seconds), min(seconds), max(seconds), max(each.peak_mib for each in taken),
        difference(torch.load(results), torch.load(results.with_name("ours"))),
    )  # fmt: skip


def difference(theirs: Sequence[Tensor], ours: Sequence[Tensor]) -> float:
    """The largest: of log-probs and entropies relative to 1 nat and to those above, of gradients to their norm."""
    values = [(value - our) / our.abs().clamp(min=1) for value, our in zip(theirs[:2], ours[:2], strict=True)]
    gradients = [(value - our).norm() / our.norm() for value, our in zip(theirs[2:], ours[2:], strict=True)]
    return max([float(value.abs().max()) for value in values] + [float(gradient) for gradient in gradients])


def as_table(rows: Sequence[Row]) -> Table:
    """A row per cell, a column per way: the median time, and the peak above the loaded tensors."""
    columns = ("vocabulary", "tokens", "head", *WAYS, "of it gradients")
    table = Table(*columns, title="forward and backward: CPU seconds, and peak MiB")
    for row in rows:
        cell = row.cell
        costs = [f"{c.seconds:.3g} s, {c.peak_mib:,.0f}" if c else "does not fit" for c in row.ways.values()]
        head = "trained" if cell.is_head_trained else "frozen"
        table.add_row(f"{cell.vocabulary:,}", f"{cell.tokens:,}", head, *costs, f"{row.gradients_mib:,.0f}")
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Time and memory of a head's log-probs, forward and backward.")
    parser.add_argument("--quick", action="store_true", help="small sizes, recorded only with --out: does it run?")
    for name, sizes in (("--vocabularies", VOCABULARIES), ("--tokens", TOKENS)):
        parser.add_argument(name, nargs="+", type=int, default=list(sizes), help="which sizes (%(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS, help="of a head that trains (%(default)s)")
    parser.add_argument("--limit-gb", type=float, help="leave out what needs more memory than this, tensors included")
    parser.add_argument("--out", type=Path, help=f"write the measurement to this JSON file ({RECORD.name} in results/)")
    return parser


if __name__ == "__main__":
    main()
