"""What a nano checkpoint can do before SFT: unseen exercises of each kind, and findings named on unseen phantoms.

python benchmarks/base_skills.py [--checkpoint FOLDER] [--quick] [--n 200] [--out skills.json]
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

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.assembly.pretraining import exercise_row
from pathvlm_r1.config.stage import EXERCISES
from pathvlm_r1.data import LETTERS
from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomSource
from pathvlm_r1.data.pretraining import ExerciseSource
from pathvlm_r1.data.rationale import join, read
from pathvlm_r1.model import Encoder, Policy
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.rollout import Decoding, NativeEngine

SEED = 999  # of exercises and pictures that no training has seen
PICTURES = 4000  # per modality, as in pretraining
IMAGE_SIZE = 112  # pixels a side
MAX_PIXELS = 65_536
MAX_TOKENS = 64  # the longest list of findings has 40
ROWS = 50  # in one forward pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure, print two tables, and write them where asked."""
    options = _parser().parse_args(arguments)
    count = 8 if options.quick else options.n
    encoder = Encoder(load_processor(options.checkpoint, max_pixels=MAX_PIXELS))
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(options.checkpoint, dtype=torch.float32)
    policy = Policy(model.eval(), suppressed_ids=[], temperature=1.0, cached_pictures=0)
    exercises = {kind: share_right(policy, encoder, kind, count) for kind in EXERCISES}
    findings = {modality: findings_named(policy, encoder, modality, count) for modality in ONTOLOGIES}
    Console().print(as_table("exercises right to the last token", {"all modalities": exercises}))
    Console().print(as_table("findings named right", findings))
    if options.out is not None:
        record = {"n": count, "seed": SEED, "exercises": exercises, "findings": findings}
        options.out.write_text(json.dumps(record, indent=2) + "\n")


@torch.no_grad()
def share_right(policy: Policy, encoder: Encoder, kind: str, count: int) -> float:
    """The share of exercises of a kind of which every token is the likeliest, given those before it.

    Of look-ups the letters alone count: in which order options are named is the exercise's choice.
    """
    letters = torch.tensor([encoder.tokenizer.convert_tokens_to_ids(letter) for letter in LETTERS])
    source = ExerciseSource(SEED, IMAGE_SIZE, PICTURES, {kind: 1.0})
    right = 0
    for batch in encoder.batches([exercise_row(encoder, source(index)) for index in range(count)], ROWS):
        likeliest = policy.raw_logits(policy.hidden_states(batch)[:, :-1]).argmax(dim=-1)
        targets = batch.labels[:, 1:]
        counts = torch.isin(targets, letters) if kind == "look_up" else targets >= 0
        is_right = (likeliest == targets) | ~counts
        right += int(is_right.all(dim=-1).sum())
    return right / count


def findings_named(policy: Policy, encoder: Encoder, modality: str, count: int) -> dict[str, float]:
    """The share of pictures of which each finding is named right when all are asked for, and that of all at once."""
    ontology = ONTOLOGIES[modality]
    source = PhantomSource("benchmark", modality, SEED, IMAGE_SIZE, {"terse": 1.0})
    samples = source.samples("benchmark", count)
    question = f"Name the {join(list(ontology.findings))} in this {ontology.picture}."
    engine = NativeEngine(end_ids=encoder.end_ids, rows_per_batch=ROWS)
    prompts = [encoder.prompt(question, sample.images) for sample in samples]
    groups = engine.sample(policy, prompts, 1, Decoding(MAX_TOKENS, 0.0), torch.Generator())
    named = [set(read(encoder.decode(sampled.token_ids)).seen) for (sampled,) in groups]
    shown = [sample.findings.shown for sample in samples if sample.findings is not None]
    right = {
        attribute: [bool(true & said & set(phrases)) for true, said in zip(shown, named, strict=True)]
        for attribute, phrases in ontology.findings.items()
    }
    shares = {attribute: sum(hits) / count for attribute, hits in right.items()}
    return shares | {"all": sum(all(hits) for hits in zip(*right.values(), strict=True)) / count}


def as_table(title: str, rows: dict[str, dict[str, float]]) -> Table:
    """A row of shares per name, each with what it is of."""
    table = Table("", "share", title=title)
    for name, shares in rows.items():
        table.add_row(name, ", ".join(f"{part} {share:.2f}" for part, share in shares.items()))
    return table


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What a nano checkpoint can do before SFT.")
    parser.add_argument("--checkpoint", type=Path, default=EMBEDDED_FOLDER, help="its folder (the embedded one)")
    parser.add_argument("--quick", action="store_true", help="eight of everything: does it run?")
    parser.add_argument("--n", type=_positive, default=200, help="exercises of a kind and pictures (%(default)s)")
    parser.add_argument("--out", type=Path, help="write the measurement to this JSON file")
    return parser


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number}: at least 1 is needed for a share")
    return number


if __name__ == "__main__":
    main()
