"""From questions and pictures to the tensors that the model reads."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from PIL import Image
from torch import Tensor

from pathvlm_r1.contract import Asking, EvaluationContract
from pathvlm_r1.data import ImageSource, Sample
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.model.processor import ImageTextProcessor

IGNORED = -100  # label of a token without loss
_USER = "<|im_start|>user"


class ImageTokenError(ValueError):
    """A text that holds image tokens of its own: they would take the place of the picture's features."""


class Pixels:
    """The patches of a picture; given out once and then forgotten, since features are what is kept."""

    def __init__(self, values: Tensor | None, reload: Callable[[], Tensor]) -> None:
        self._values = values
        self._reload = reload

    def take(self) -> Tensor:
        """[patches, channels * temporal * patch * patch]; read from the source again after the first time."""
        values, self._values = self._values, None
        return self._reload() if values is None else values


@dataclass(frozen=True, eq=False)
class EncodedPicture:
    """One picture of a prompt as the vision tower reads it."""

    grid_thw: Tensor  # [3], patches in time, height and width
    pixels: Pixels
    key: str | None  # names the picture in a cache of features; None: not cached
    source: ImageSource  # for an engine that encodes prompts itself


@dataclass(frozen=True, eq=False)
class EncodedPrompt:
    """A user's turn up to and including the opening of the assistant's."""

    token_ids: list[int]
    pictures: tuple[EncodedPicture, ...] = ()  # in the order of their tokens
    text: str = ""  # of the user's turn, for an engine that encodes prompts itself


def picture_grids(prompts: Iterable[EncodedPrompt]) -> Tensor | None:
    """The grids [pictures, 3] of all pictures of prompts, in order; None without any."""
    grids = [picture.grid_thw for prompt in prompts for picture in prompt.pictures]
    return torch.stack(grids) if grids else None


@dataclass(frozen=True)
class EncodedRow:
    """A prompt with a completion, of which the tokens from `loss_from` on are learned."""

    prompt: EncodedPrompt
    completion_ids: list[int]
    loss_from: int = 0

    @property
    def length(self) -> int:
        return len(self.prompt.token_ids) + len(self.completion_ids)


@dataclass(frozen=True)
class TokenBatch:
    """Right-padded rows for one forward pass: S = longest row."""

    input_ids: Tensor  # [N, S]
    attention_mask: Tensor  # [N, S]
    mm_token_type_ids: Tensor  # [N, S], 1 at image tokens
    labels: Tensor  # [N, S], IGNORED outside the learned tokens
    prompts: tuple[EncodedPrompt, ...]

    def to(self, device: torch.device) -> TokenBatch:
        return TokenBatch(
            self.input_ids.to(device), self.attention_mask.to(device), self.mm_token_type_ids.to(device),
            self.labels.to(device), self.prompts,
        )  # fmt: skip


class Encoder:
    """Tokenizes prompts and completions by the processor's own chat template."""

    def __init__(self, processor: ImageTextProcessor) -> None:
        self.processor = processor
        self.tokenizer = processor.tokenizer
        self.end_ids = [self.tokenizer.convert_tokens_to_ids(name) for name in ("<|im_end|>", "<|endoftext|>")]
        self.pad_id = int(self.tokenizer.pad_token_id)
        self._grids: dict[str, Tensor] = {}  # of the pictures that have a key: a second question need not decode them

    def prompt(
        self, text: str, images: Sequence[ImageSource] = (), *, image_keys: Sequence[str] | None = None,
        system: str | None = None,
    ) -> EncodedPrompt:  # fmt: skip
        """Encode one user turn, the pictures first, in their order.

        Args:
            text: of the turn.
            images: none, one or several.
            image_keys: a name for each, under which its size and features are kept; without them nothing is kept.
            system: text of the turn before it; None: the chat template's own; empty: no such turn.

        Raises:
            ImageTokenError: the text holds image tokens.
        """
        keys = [None] * len(images) if image_keys is None else image_keys
        pictures = tuple(self.picture(image, key) for image, key in zip(images, keys, strict=True))
        counts = [int(picture.grid_thw.prod()) // self.processor.image_processor.merge_size**2 for picture in pictures]
        mark, remaining = self.processor.image_token, iter(counts)
        rendered = self.rendered(text, pictures=len(images), system=system)
        expanded = re.sub(re.escape(mark), lambda _: mark * next(remaining, 1), rendered)
        return EncodedPrompt(self._with_image_tokens(expanded, sum(counts)), pictures, text)

    def picture(self, image: ImageSource, key: str | None = None) -> EncodedPicture:
        """One picture; without a key nothing of it is kept."""
        grid, patches = self._grids.get(key or ""), None
        if grid is None:
            patches, (grid,) = self.pictures([image])
            if key is not None:
                self._grids[key] = grid
        return EncodedPicture(grid, Pixels(patches, lambda: self.pictures([image])[0]), key, image)

    def _with_image_tokens(self, text: str, features: int) -> list[int]:
        """The token ids of a text in which as many image tokens stand as there are features."""
        token_ids: list[int] = self.tokenizer(text)["input_ids"]
        found = token_ids.count(self.processor.image_token_id)
        if found != features:
            image_token = self.processor.image_token
            raise ImageTokenError(
                f"{found} image tokens for {features} image features; the text must not hold {image_token}"
            )
        return token_ids

    def rendered(self, text: str, *, pictures: int = 0, system: str | None = None) -> str:
        """The dialogue of one user turn, up to and including the opening of the assistant's."""
        parts = [*[{"type": "image"}] * pictures, {"type": "text", "text": text}]
        turns = [{"role": "user", "content": parts}]
        if system:
            turns.insert(0, {"role": "system", "content": [{"type": "text", "text": system}]})
        rendered = str(self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))
        # The template puts a system turn of its own before a dialogue without one.
        return rendered[rendered.index(_USER) :] if system == "" else rendered

    def as_read(self, image: Image.Image) -> Image.Image:
        """The picture at the size that the model reads it in; to encode that instead changes nothing."""
        processor = self.processor.image_processor
        _, height, width = processor([image], return_tensors="pt")["image_grid_thw"][0].tolist()
        size = (width * processor.patch_size, height * processor.patch_size)
        return image.resize(size, Image.Resampling(processor.resample))

    def pictures(self, images: Sequence[ImageSource]) -> tuple[Tensor, Tensor]:
        """The patches [patches, values] of pictures, one after the other, and their grids [pictures, 3]."""
        processed = self.processor.image_processor([image.load() for image in images], return_tensors="pt")
        return processed["pixel_values"], processed["image_grid_thw"]

    def completion(self, text: str) -> list[int]:
        """The token ids of an assistant's turn with its end token.

        Raises:
            ImageTokenError: the text holds image tokens.
        """
        return [*self._with_image_tokens(text, 0), self.end_ids[0]]

    def decode(self, token_ids: Sequence[int]) -> str:
        """The text of a completion, without special tokens."""
        return str(self.tokenizer.decode(token_ids, skip_special_tokens=True))

    def batches(self, rows: Sequence[EncodedRow], rows_per_batch: int) -> list[TokenBatch]:
        """Rows of like length together, so that little is padding; every row once."""
        by_length = sorted(rows, key=lambda row: row.length)
        return [self.batch(by_length[start : start + rows_per_batch]) for start in range(0, len(rows), rows_per_batch)]

    def batch(self, rows: Sequence[EncodedRow]) -> TokenBatch:
        """Pad rows on the right; masks come from lengths, never from token ids."""
        width = max(row.length for row in rows)
        input_ids = torch.full((len(rows), width), self.pad_id)
        labels = torch.full((len(rows), width), IGNORED)
        attention_mask = torch.zeros((len(rows), width), dtype=torch.long)
        for index, row in enumerate(rows):
            prompt_length = len(row.prompt.token_ids)
            input_ids[index, : row.length] = torch.tensor(row.prompt.token_ids + row.completion_ids)
            attention_mask[index, : row.length] = 1
            start = prompt_length + row.loss_from
            labels[index, start : row.length] = input_ids[index, start : row.length]
        image_tokens = (input_ids == self.processor.image_token_id).long()
        return TokenBatch(input_ids, attention_mask, image_tokens, labels, tuple(row.prompt for row in rows))


class SampleEncoder:
    """Encodes samples under a contract, each prompt once."""

    def __init__(self, encoder: Encoder, contract: EvaluationContract) -> None:
        self.encoder = encoder
        self.contract = contract
        self._prompts: dict[str, EncodedPrompt] = {}

    def prompt(self, sample: Sample) -> EncodedPrompt:
        """The question as the policy is asked it.

        Raises:
            DatasetError: the record's text holds image tokens; names the record and both counts.
        """
        asking = self.contract.asking
        pictures = _picture_keys(sample, asking)
        key = f"{pictures[0]}/{sample.sample_id}"  # a control asks the same question about another picture
        if key not in self._prompts:
            with _record_named(sample):
                text = self.contract.prompt(sample)
                self._prompts[key] = self.encoder.prompt(text, sample.images, image_keys=pictures, system=asking.system)
        return self._prompts[key]

    def row(self, sample: Sample) -> EncodedRow:
        """The question with its reference completion.

        Raises:
            DatasetError: as `prompt`.
        """
        with _record_named(sample):
            completion = self.encoder.completion(self.contract.target(sample))
        return EncodedRow(self.prompt(sample), completion)


def _picture_keys(sample: Sample, asking: Asking) -> list[str]:
    """A name for each picture: that of the set they form, with a place behind it where there are several."""
    size = "" if asking.max_pixels is None else f"@{asking.min_pixels}-{asking.max_pixels}"  # another picture
    shared = f"{sample.dataset}/{sample.image_id}{size}"
    return [shared] if len(sample.images) == 1 else [f"{shared}#{place}" for place in range(len(sample.images))]


@contextmanager
def _record_named(sample: Sample) -> Iterator[None]:
    try:
        yield
    except ImageTokenError as error:
        raise DatasetError(f"{sample.dataset} {sample.sample_id}: {error}; mend the record or leave it out.") from error
