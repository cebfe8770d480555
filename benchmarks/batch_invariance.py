"""Do greedy answers depend on how many are decoded together? Batches of 1 and 16, in float32 and in bfloat16.

python benchmarks/batch_invariance.py [--checkpoint FOLDER] [--quick] [--n 64] [--out FILE]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path

import torch
from rich.console import Console
from rich.table import Table
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.utils.logging import disable_progress_bar

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER, suppressed_ids
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.evaluation import Asker, Generated
from pathvlm_r1.model import Encoder, Policy, SampleEncoder
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.rollout import Decoding, NativeEngine

SEED = 999  # of pictures that no training has seen
IMAGE_SIZE = 112  # pixels a side
MAX_PIXELS = 65_536
MAX_TOKENS = 96
BATCHES = (1, 16)
DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it where asked."""
    options = _parser().parse_args(arguments)
    disable_progress_bar()
    count = 16 if options.quick else options.n
    source = PhantomSource("phantom", "histology", SEED, IMAGE_SIZE, {"terse": 1.0, "partial": 0.0, "complete": 0.0})
    samples = source.samples("test", count)
    record = {name: compared(options.checkpoint, samples, dtype) for name, dtype in DTYPES.items()}
    Console().print(as_table(record))
    if options.out is not None:
        options.out.write_text(json.dumps({"n": count, "seed": SEED, "batches": BATCHES, **record}, indent=2) + "\n")


def compared(checkpoint: Path, samples: Sequence[Sample], dtype: torch.dtype) -> dict[str, float]:
    """Shares of questions whose completion, and whose answer, is the same in both batches."""
    encoder = Encoder(load_processor(checkpoint, max_pixels=MAX_PIXELS))
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(checkpoint, dtype=dtype).eval()
    ids = suppressed_ids(encoder, model.config.text_config.vocab_size)
    policy = Policy(model, suppressed_ids=ids, temperature=1.0, cached_pictures=0)
    alone, together = (answers(policy, encoder, samples, rows) for rows in BATCHES)
    pairs = list(zip(samples, alone, together, strict=True))
    read = Contract().read
    same = [read(a.text, sample).answer == read(b.text, sample).answer for sample, a, b in pairs]
    return {
        "same_completion": sum(a.text == b.text for _, a, b in pairs) / len(pairs),
        "same_answer": sum(same) / len(pairs),
    }


def answers(policy: Policy, encoder: Encoder, samples: Sequence[Sample], rows: int) -> list[Generated]:
    """Greedy, so many decoded together."""
    engine = NativeEngine(end_ids=encoder.end_ids, rows_per_batch=rows)
    ask = Asker(SampleEncoder(encoder, Contract()), engine, Decoding(MAX_TOKENS, 0.0))
    return [one for portion in ask(policy, samples, seed=0) for (one,) in portion]


def as_table(record: dict[str, dict[str, float]]) -> Table:
    """One row per type of number."""
    table = Table(
        "weights", *(f"{name.replace('_', ' ')}, {BATCHES[0]} and {BATCHES[1]}" for name in record["float32"])
    )
    for dtype, shares in record.items():
        table.add_row(dtype, *(f"{share:.3f}" for share in shares.values()))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="Greedy answers in batches of 1 and of 16.")
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED_FOLDER, help="a weights folder (embedded)")
    parser.add_argument("--quick", action="store_true", help="16 questions")
    parser.add_argument("--n", type=int, default=64, help="questions (%(default)s)")
    parser.add_argument("--out", type=Path, help="a JSON file")
    return parser


if __name__ == "__main__":
    main()
