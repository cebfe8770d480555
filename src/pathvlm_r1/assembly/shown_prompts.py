"""Prompts as the model gets them, to be read by a person beside a contact sheet."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from safetensors import SafetensorError

from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER, found_checkpoint
from pathvlm_r1.config import RANDOM_6M, ConfigError, ModelConfig
from pathvlm_r1.contract import Contract
from pathvlm_r1.data import Sample
from pathvlm_r1.model import EncodedPicture, Encoder, SampleEncoder
from pathvlm_r1.model.processor import load_processor

RULE = "-" * 80


def prompts_text(model: ModelConfig, datasets: Mapping[str, Sequence[Sample]]) -> str:
    """Every question's tokens, its pictures' sizes, and the reference that SFT learns, one after the other.

    Args:
        model: whose tokenizer and picture sizes count; its weights are not loaded.
        datasets: name -> questions.

    Raises:
        ConfigError: the model's files cannot be read.
        DatasetError: a record's text holds image tokens, or a picture cannot be read.
    """
    encoder = _encoder(model)
    asked = SampleEncoder(encoder, Contract())
    parts = [_heading(model)]
    for name, samples in datasets.items():
        parts += [f"{name} {_shown(asked, encoder, model, sample)}" for sample in samples]
    return f"\n{RULE}\n".join(parts) + "\n"


def _encoder(model: ModelConfig) -> Encoder:
    folder = found_checkpoint(model.checkpoint)
    try:
        return Encoder(load_processor(EMBEDDED_FOLDER if folder == RANDOM_6M else folder, max_pixels=model.max_pixels))
    except (OSError, SafetensorError, ValueError) as error:
        reason = next(iter(str(error).splitlines()), type(error).__name__)
        raise ConfigError(f"model.checkpoint={model.checkpoint}: its processor cannot be loaded: {reason}") from error


def _heading(model: ModelConfig) -> str:
    return (
        f"Prompts of model={model.name} ({model.checkpoint}) under contract {Contract().name}, as token ids decode.\n"
        "<|image_pad|>*N stands for N such tokens in a row; they take the place of N features of a picture.\n"
        "No prompt is ever cut: what is limited are the pixels of a picture and the tokens of a completion."
    )


def _shown(asked: SampleEncoder, encoder: Encoder, model: ModelConfig, sample: Sample) -> str:
    row = asked.row(sample)
    mark = re.escape(encoder.processor.image_token)
    text = encoder.tokenizer.decode(row.prompt.token_ids, skip_special_tokens=False)
    runs = re.sub(f"(?:{mark})+", lambda run: f"{encoder.processor.image_token}*{_count(run, encoder)}", text)
    pictures = [_picture(place, picture, encoder, model) for place, picture in enumerate(row.prompt.pictures, start=1)]
    tokens, most = len(row.completion_ids), model.max_completion_tokens
    room = f"over model.max_completion_tokens={most}: sampled so, it would be cut" if tokens > most else f"of {most}"
    reference = encoder.tokenizer.decode(row.completion_ids, skip_special_tokens=False)
    return "\n".join(
        [sample.sample_id, f"prompt: {len(row.prompt.token_ids)} tokens", *pictures, runs,
         f"reference: {tokens} tokens, {room}", reference]
    )  # fmt: skip


def _count(run: re.Match[str], encoder: Encoder) -> int:
    return len(run[0]) // len(encoder.processor.image_token)


def _picture(place: int, picture: EncodedPicture, encoder: Encoder, model: ModelConfig) -> str:
    processor = encoder.processor.image_processor
    time, height, width = picture.grid_thw.tolist()
    read_as = (width * processor.patch_size, height * processor.patch_size)
    own = picture.source.load().size
    scaled = "" if own == read_as else f", scaled to {read_as[0]} x {read_as[1]}"
    limited = f" (model.max_pixels={model.max_pixels})" if own[0] * own[1] > model.max_pixels else ""
    features = time * height * width // processor.merge_size**2
    return (
        f"picture {place}: {own[0]} x {own[1]} pixels{scaled}{limited}, grid {time} x {height} x {width} of patches, "
        f"{features} tokens"
    )
