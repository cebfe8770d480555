"""The making of the nano base checkpoint: its tower learns findings, its language model look-ups, then all of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from pathvlm_r1.config import PretrainConfig, TrainConfig
from pathvlm_r1.data.lookups import LESSONS, Lesson, LookUp, look_ups
from pathvlm_r1.data.phantom import ONTOLOGIES
from pathvlm_r1.data.pretraining import ExerciseSource, PictureSource, tokenizer_corpus
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.model import EncodedRow, Encoder, Policy
from pathvlm_r1.model.nano import nano_model, nano_processor, train_tokenizer
from pathvlm_r1.stages import (
    FindingProbe,
    PictureBatch,
    SFTModule,
    look_up_loss,
    muon_and_adamw,
    train_look_ups,
    train_vision,
    warmup_cosine,
)
from pathvlm_r1.tracking import RunFolder, progress_over, write_atomically

CORPUS_EXERCISES = 6000  # that the tokenizer is trained on
CORPUS_SHARES = {  # fixed: the tokenizer must not change with what is exercised how often
    "name_findings": 0.32, "recall_fact": 0.06, "conclude": 0.16, "derive": 0.18, "add_up": 0.04, "look_up": 0.10,
    "answer": 0.14,
}  # fmt: skip


def build_pretraining(config: TrainConfig, stage: PretrainConfig, folder: RunFolder) -> tuple[SFTModule, ItemStream]:
    """The language phase, on a model whose vision tower has just been trained and is now frozen."""
    source = ExerciseSource(config.seed, stage.image_size, stage.pictures, dict(stage.shares))
    corpus = tokenizer_corpus(replace(source, shares=CORPUS_SHARES), CORPUS_EXERCISES)
    tokenizer = train_tokenizer(corpus, stage.vocabulary_size)
    encoder = Encoder(nano_processor(tokenizer))
    size = stage.architecture
    model = nano_model(
        tokenizer, hidden=size.hidden, layers=size.layers, vision_hidden=size.vision_hidden,
        vision_layers=size.vision_layers, seed=config.seed,
    )  # fmt: skip
    policy = Policy(model, suppressed_ids=[], temperature=1.0, cached_pictures=stage.pictures * len(ONTOLOGIES))
    visual, language = model.model.visual, model.model.language_model
    _once(visual, folder.checkpoints / "vision.safetensors", lambda: _train_vision(config, stage, policy, encoder))
    visual.requires_grad_(requires_grad=False)
    _once(
        language, folder.checkpoints / "look_ups.safetensors", lambda: _train_look_ups(config, stage, policy, encoder)
    )

    def rehearsal(step: int) -> Tensor:
        first = step * stage.look_up.rehearsed
        tasks = [source.look_up(first + index, encoder.rendered) for index in range(stage.look_up.rehearsed)]
        return look_up_loss(policy, encoder, tasks)[0]

    module = SFTModule(
        policy, encoder=encoder, encode=partial(exercise_row, encoder), rows_per_forward=stage.rows_per_forward,
        learning_rate=stage.learning_rate, weight_decay=stage.weight_decay, gradient_clip=stage.gradient_clip,
        schedule=warmup_cosine(warmup_share=stage.warmup_share, total_steps=stage.max_steps), folder=folder.path,
        optimizers=muon_and_adamw, rehearsal=rehearsal,
    )  # fmt: skip
    return module, ItemStream(source, batch_size=stage.rows_per_step)


def exercise_row(encoder: Encoder, exercise: Any) -> EncodedRow:
    """An exercise as tokens; the loss falls on its target alone."""
    given = encoder.tokenizer(exercise.given)["input_ids"] if exercise.given else []
    images = [] if exercise.image is None else [exercise.image]
    prompt = encoder.prompt(exercise.prompt, images, image_keys=[str(image.key) for image in images])
    return EncodedRow(prompt, given + encoder.completion(exercise.target), loss_from=len(given))


def _once(part: nn.Module, path: Path, train: Callable[[], None]) -> None:
    """Train a part of the model, or take what this phase left in the run's folder before an interruption."""
    if path.is_file():
        part.load_state_dict(load_file(path))
        return
    train()
    write_atomically(path, lambda partial: save_file(part.state_dict(), partial))


def _train_vision(config: TrainConfig, stage: PretrainConfig, policy: Policy, encoder: Encoder) -> None:
    vision = stage.vision
    source = PictureSource(config.seed, stage.image_size, vision.pictures)
    probe = FindingProbe(
        {name: tuple(p) for o in ONTOLOGIES.values() for name, p in o.findings.items()}, stage.architecture.hidden
    )

    def batches() -> Iterator[PictureBatch]:
        for step in range(vision.max_steps):
            pictures = [source(step * vision.pictures_per_step + i) for i in range(vision.pictures_per_step)]
            yield PictureBatch(*encoder.pictures(pictures), tuple(picture.findings for picture in pictures))

    shares = train_vision(
        policy, probe, batches(), steps=vision.max_steps, learning_rate=vision.learning_rate,
        weight_decay=stage.weight_decay, warmup_share=stage.warmup_share, gradient_clip=stage.gradient_clip,
    )  # fmt: skip
    for _ in progress_over(shares, "vision tower", vision.max_steps):
        pass


def _train_look_ups(config: TrainConfig, stage: PretrainConfig, policy: Policy, encoder: Encoder) -> None:
    tokenizer = encoder.tokenizer
    decoded = [tokenizer.decode([token]) for token in range(len(tokenizer))]
    words = [text[1:] for text in decoded if text.startswith(" ") and text[1:].isalpha() and len(text) > 2]

    def source(lesson: Lesson) -> Iterator[LookUp]:
        return look_ups(lesson, words, np.random.default_rng((config.seed, 2, LESSONS.index(lesson))))

    steps = train_look_ups(
        policy, encoder, LESSONS, source, max_steps=stage.look_up.max_steps, learning_rate=stage.look_up.learning_rate,
        weight_decay=stage.weight_decay, gradient_clip=stage.gradient_clip,
    )  # fmt: skip
    for _ in progress_over(steps, "look-ups", stage.look_up.max_steps):
        pass
