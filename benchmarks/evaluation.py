"""How long an evaluation generates, against `model.generate` of the library over batches of the same size.

python benchmarks/evaluation.py [--checkpoint FOLDER] [--quick] [--n 256] [--rows 16] [--out FILE]

Both answer the same questions of phantoms greedily in float32, from pictures and texts to texts, in turn.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import torch
from rich.console import Console
from rich.table import Table
from steps.machine import description
from transformers import GenerationConfig, Qwen2_5_VLForConditionalGeneration
from transformers.utils.logging import disable_progress_bar

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER, suppressed_ids
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.evaluation import Asker
from pathvlm_r1.model import Encoder, Policy, SampleEncoder
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.rollout import Decoding, NativeEngine

SEED = 999  # of pictures that no training has seen
IMAGE_SIZE = 112  # pixels a side
MAX_PIXELS = 65_536
MAX_TOKENS = 96
REPEATS = 5

Work = Callable[[], list[str]]


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print a table, and write it where asked."""
    options = _parser().parse_args(arguments)
    disable_progress_bar()
    count, repeats = (2 * options.rows, 1) if options.quick else (options.n, REPEATS)
    source = PhantomSource("phantom", "histology", SEED, IMAGE_SIZE, {"terse": 1.0, "partial": 0.0, "complete": 0.0})
    samples = source.samples("test", count)
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(options.checkpoint).eval()
    record = measured(
        lambda: ours(model, options.checkpoint, samples, options.rows),
        lambda: theirs(model, options.checkpoint, samples, options.rows),
        repeats,
    )
    record |= {"n": count, "rows": options.rows, "max_tokens": MAX_TOKENS, **description(torch.get_num_threads())}
    Console().print(as_table(record))
    if options.out is not None:
        options.out.write_text(json.dumps(record, indent=2) + "\n")


def measured(first: Work, second: Work, repeats: int) -> dict[str, Any]:
    """Seconds of both in turn, after one turn that does not count, and how many texts are the same."""
    same = [a == b for a, b in zip(first(), second(), strict=True)]
    pairs = [(timed(first), timed(second)) for _ in range(repeats)]
    ratios = [ours_seconds / theirs_seconds for ours_seconds, theirs_seconds in pairs]
    return {
        "ours_seconds": median(pair[0] for pair in pairs), "generate_seconds": median(pair[1] for pair in pairs),
        "time_ratio_median": median(ratios), "time_ratio_min": min(ratios), "time_ratio_max": max(ratios),
        "same_text": sum(same) / len(same),
    }  # fmt: skip


def timed(work: Work) -> float:
    """Seconds on the clock."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def ours(model: Any, checkpoint: Path, samples: Sequence[Sample], rows: int) -> list[str]:
    """What `src/eval.py` does: lengths sorted, rows that end make room."""
    encoder = Encoder(load_processor(checkpoint, max_pixels=MAX_PIXELS))
    ids = suppressed_ids(encoder, model.config.text_config.vocab_size)
    policy = Policy(model, suppressed_ids=ids, temperature=1.0, cached_pictures=0)
    engine = NativeEngine(end_ids=encoder.end_ids, rows_per_batch=rows)
    ask = Asker(SampleEncoder(encoder, Contract()), engine, Decoding(MAX_TOKENS, 0.0))
    return [one.text for portion in ask(policy, samples, seed=0) for (one,) in portion]


@torch.no_grad()
def theirs(model: Any, checkpoint: Path, samples: Sequence[Sample], rows: int) -> list[str]:
    """What a user of the library writes: padded batches in the order of the questions."""
    processor, contract = load_processor(checkpoint, max_pixels=MAX_PIXELS), Contract()
    encoder = Encoder(processor)
    settings = GenerationConfig(
        do_sample=False, max_new_tokens=MAX_TOKENS, eos_token_id=encoder.end_ids, pad_token_id=encoder.pad_id,
        suppress_tokens=suppressed_ids(encoder, model.config.text_config.vocab_size) or None,
    )  # fmt: skip
    texts = []
    for start in range(0, len(samples), rows):
        batch = samples[start : start + rows]
        prompts = [encoder.rendered(contract.prompt(sample), pictures=1) for sample in batch]
        pictures = [sample.images[0].load() for sample in batch]
        inputs = processor(text=prompts, images=pictures, padding=True, padding_side="left", return_tensors="pt")
        written = model.generate(**inputs, generation_config=settings)[:, inputs["input_ids"].shape[1] :]
        texts += [encoder.decode(ids) for ids in written.tolist()]
    return texts


def as_table(record: dict[str, Any]) -> Table:
    """One row."""
    table = Table("questions", "ours, s", "generate, s", "ours / generate", "same text")
    spread = f"{record['time_ratio_min']:.2f} to {record['time_ratio_max']:.2f}"
    table.add_row(
        str(record["n"]), f"{record['ours_seconds']:.2f}", f"{record['generate_seconds']:.2f}",
        f"{record['time_ratio_median']:.2f} ({spread})", f"{record['same_text']:.3f}",
    )  # fmt: skip
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="An evaluation against batched generate.")
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED_FOLDER, help="a weights folder (embedded)")
    parser.add_argument("--quick", action="store_true", help="two batches, once")
    parser.add_argument("--n", type=int, default=256, help="questions (%(default)s)")
    parser.add_argument("--rows", type=int, default=16, help="decoded together (%(default)s)")
    parser.add_argument("--out", type=Path, help="a JSON file")
    return parser


if __name__ == "__main__":
    main()
