"""A cell of the comparison: a model, an adapter and sizes; with its prompts, its weights and its configuration."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from hydra import compose, initialize_config_dir
from PIL import Image

from pathvlm_r1.assembly.datasets import CONF
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER, load_policy, suppressed_ids
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.model import Encoder
from pathvlm_r1.model.nano import random_model
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.tracking.export import export_model

SEED = 20260711
PROMPTS = 2  # of one step
BETA = 0.04
LEAST_PASS = 2400  # tokens, nano's; a larger group is a pass of its own
LEARNING_RATE = 1e-5
SMALL_PICTURE, LARGE_PICTURE = 112, 252  # pixels a side: 16 and 81 image tokens, the phantoms' and the models' limit
LARGE_FROM = 256  # tokens of a prompt
VISION_HIDDEN, VISION_LAYERS = 96, 4  # nano's


@dataclass(frozen=True, kw_only=True)
class Cell:
    """What one step has to do."""

    model: str
    adapter: str
    group_size: int
    prompt_tokens: int
    completion_tokens: int
    image_size: int | None = None  # pixels a side; None: as the prompt's length has it
    checkpoint: str = ""  # folder that both sides load; empty: the model's own
    is_mkl: bool = False  # whether our side multiplies by MKL whatever the processor

    @property
    def rows(self) -> int:
        """Completions of the step."""
        return PROMPTS * self.group_size

    @property
    def group_tokens(self) -> int:
        """Of a prompt with all its completions."""
        return self.prompt_tokens + self.group_size * self.completion_tokens

    @property
    def pixels(self) -> int:
        """Of the picture's side."""
        return self.image_size or (SMALL_PICTURE if self.prompt_tokens < LARGE_FROM else LARGE_PICTURE)

    @property
    def image_tokens(self) -> int:
        """Of the prompt: a token is 28 x 28 pixels."""
        return (self.pixels // 28) ** 2

    @property
    def name(self) -> str:
        return f"{self.model} {self.adapter} G {self.group_size} prompt {self.prompt_tokens}"


@dataclass(frozen=True)
class Held:
    """A picture in memory: neither side pays for drawing or reading it."""

    picture: Image.Image

    def load(self) -> Image.Image:
        """The picture itself."""
        return self.picture


def configuration(cell: Cell, **changes: object) -> TrainConfig:
    """The run's own configuration of such a step."""
    overrides = {
        "model": cell.model, "adapter": cell.adapter, "stage": "grpo", "logger": "none", "stage.init": "base",
        "model.max_pixels": _max_pixels(cell), "model.max_completion_tokens": cell.completion_tokens,
        "stage.group_size": cell.group_size, "stage.prompts_per_step": PROMPTS,
        "stage.tokens_per_forward": max(LEAST_PASS, cell.group_tokens),
        "stage.beta": BETA, "stage.learning_rate": LEARNING_RATE,
        **({"model.checkpoint": cell.checkpoint} if cell.checkpoint else {}), **changes,
    }  # fmt: skip
    with initialize_config_dir(str(CONF), version_base="1.3"):
        return TrainConfig.checked(compose("train", [f"{key}={value}" for key, value in overrides.items()]))


def encoder_of(cell: Cell) -> Encoder:
    """Reads prompts for the cell's model."""
    return Encoder(load_processor(cell.checkpoint, max_pixels=_max_pixels(cell)))


def never_sampled(encoder: Encoder, vocabulary_rows: int) -> list[int]:
    """What no policy may sample, and the ends of completions, which are to have one length."""
    return [*suppressed_ids(encoder, vocabulary_rows), *encoder.end_ids]


def samples(cell: Cell, encoder: Encoder, count: int) -> list[Sample]:
    """Questions on pictures of their own, each prompt of exactly the cell's length."""
    source = PhantomSource("benchmark", "histology", SEED, cell.pixels, {"terse": 1.0})
    asked = source.samples("benchmark", count)
    words = _words_of_one_token(encoder)
    return [
        _lengthened(sample, cell, encoder, np.random.default_rng((SEED, index)).permutation(words))
        for index, sample in enumerate(asked)
    ]


def _max_pixels(cell: Cell) -> int:
    return max(65_536, cell.pixels**2)


def _lengthened(sample: Sample, cell: Cell, encoder: Encoder, words: Sequence[str]) -> Sample:
    """The same question with words after it, and its picture drawn."""
    sample = longer = replace(sample, images=(Held(sample.images[0].load()),))
    count = 0
    for _ in range(3):  # the first word costs a token more: the end of the question is written in another way then
        missing = cell.prompt_tokens - _length(longer, encoder)
        if missing == 0:
            return longer
        count += missing
        added = "".join(words[index % len(words)] for index in range(count))
        longer = replace(sample, question=sample.question + added)
    raise ValueError(f"no prompt of {cell.prompt_tokens} tokens: the bare question has {_length(sample, encoder)}")


def _length(sample: Sample, encoder: Encoder) -> int:
    return len(encoder.prompt(Contract().prompt(sample), sample.images).token_ids)


def _words_of_one_token(encoder: Encoder) -> list[str]:
    tokenizer = encoder.tokenizer
    decoded = {tokenizer.decode([token]) for token in range(len(tokenizer))}
    words = [text for text in sorted(decoded) if text[:1] == " " and len(text) > 3 and text[1:].isalpha()]
    return [word for word in words if len(tokenizer(word)["input_ids"]) == 1]


def weights(model: str, folder: Path) -> str:
    """The folder that both sides load a model from: random weights are written to one."""
    if model == "nano":
        return str(EMBEDDED_FOLDER)
    config = configuration(
        Cell(model=model, adapter="full", group_size=2, prompt_tokens=LARGE_FROM, completion_tokens=8)
    )
    loaded = load_policy(config.model, config.adapter, precision="32-true", temperature=1.0, is_dropout_on=False)
    export_model(loaded.policy.model, loaded.encoder.processor, folder, {})
    return str(folder)


def random_weights(hidden: int, layers: int, folder: Path) -> tuple[str, int]:
    """A folder with random weights of nano's kind, and how many they are."""
    processor = load_processor(EMBEDDED_FOLDER)
    model = random_model(
        processor.tokenizer, hidden=hidden, layers=layers, vision_hidden=VISION_HIDDEN, vision_layers=VISION_LAYERS
    )
    export_model(model, processor, folder, {})
    return str(folder), sum(parameter.numel() for parameter in model.parameters())
