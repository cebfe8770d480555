"""A vision-language model as a chat partner: greedy replies to dialogues, freely or within a JSON Schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

_SUPPRESSED = ("image_token_id", "video_token_id", "vision_start_token_id", "vision_end_token_id")  # of a configuration


@dataclass(frozen=True)
class Dialogue:
    """What a model is told and asked: instructions, then pictures with a text."""

    system: str
    pictures: tuple[Image.Image, ...]
    text: str


@dataclass(frozen=True)
class Reply:
    """What it said."""

    text: str
    is_ended: bool  # by its own end token, not by the limit
    prompt_tokens: int
    tokens: int


class Chat:
    """Replies to dialogues; the same dialogue gets the same reply, as nothing is drawn.

    A special token that is spelled out in a dialogue's text is written as a JSON escape, which says the same within
    JSON and ends no turn: who wrote the text may not speak in another role.

    Args:
        model: of the library's, for images and text.
        processor: its own; pads on the left.
        schema: JSON Schema that every reply is to fit; None: whatever the model says.
    """

    def __init__(self, model: Any, processor: Any, *, schema: dict[str, Any] | None) -> None:
        self.model, self.processor, self.tokenizer = model, processor, processor.tokenizer
        self.tokenizer.padding_side = "left"
        self.vocabulary_rows = int(model.get_output_embeddings().weight.shape[0])
        self.end_ids = _end_ids(model, self.tokenizer)
        self.constraint = None if schema is None else Constraint(self.tokenizer, self.vocabulary_rows, schema)
        self._specials = sorted({str(one) for one in self.tokenizer.added_tokens_decoder.values()}, key=len)[::-1]
        model.generation_config = GenerationConfig(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            eos_token_id=self.end_ids,
            pad_token_id=self.tokenizer.pad_token_id if self.tokenizer.pad_token_id is not None else self.end_ids[0],
            suppress_tokens=self._suppressed(),
        )  # fmt: skip  what a checkpoint ships would else be taken

    @torch.no_grad()
    def reply(self, dialogues: Sequence[Dialogue], max_tokens: int) -> list[Reply]:
        """One reply of at most so many tokens to each, decoded together."""
        inputs = self.processor(
            text=[self.rendered(dialogue) for dialogue in dialogues], images=[[*one.pictures] for one in dialogues],
            padding=True, return_tensors="pt",
        ).to(self.model.device)  # fmt: skip
        width = inputs["input_ids"].shape[1]
        within = [] if self.constraint is None else [self.constraint.processor(len(dialogues), width, self.end_ids)]
        sequences = self.model.generate(
            **inputs, max_new_tokens=max_tokens, logits_processor=LogitsProcessorList(within)
        )
        lengths = inputs["attention_mask"].sum(dim=1).tolist()
        return [self._reply(row, length) for row, length in zip(sequences[:, width:].tolist(), lengths, strict=True)]

    def rendered(self, dialogue: Dialogue) -> str:
        """The dialogue as the model reads it, up to and including the opening of its own turn."""
        text = dialogue.text
        for special in self._specials:
            text = text.replace(special, f"\\u{ord(special[0]):04x}{special[1:]}")
        turns = [
            {"role": "system", "content": [{"type": "text", "text": dialogue.system}]},
            {
                "role": "user",
                "content": [*[{"type": "image"}] * len(dialogue.pictures), {"type": "text", "text": text}],
            },
        ]
        return str(self.processor.apply_chat_template(turns, add_generation_prompt=True, tokenize=False))

    def _reply(self, token_ids: list[int], prompt_tokens: int) -> Reply:
        end = next((place for place, token in enumerate(token_ids) if token in self.end_ids), None)
        said = token_ids[:end]
        text = str(self.tokenizer.decode(said, skip_special_tokens=True))
        return Reply(text, end is not None, prompt_tokens, len(said) + (end is not None))

    def _suppressed(self) -> list[int] | None:
        """Image tokens, which a model cannot read without a picture, and rows beyond the tokenizer."""
        known = [getattr(self.model.config, name, None) for name in _SUPPRESSED]
        beyond = range(len(self.tokenizer), self.vocabulary_rows)
        return [*(one for one in known if one is not None), *beyond] or None


class Constraint:
    """A JSON Schema as a mask over the next token, by `llguidance`."""

    def __init__(self, tokenizer: Any, vocabulary_rows: int, schema: dict[str, Any]) -> None:
        import llguidance  # a compiled library, loaded only where it is asked for
        from llguidance.hf import from_tokenizer

        self._library, self.vocabulary_rows = llguidance, vocabulary_rows
        self._tokenizer = from_tokenizer(tokenizer, n_vocab=vocabulary_rows)
        self._grammar = llguidance.LLMatcher.grammar_from_json_schema(
            json.dumps(schema), overrides={"whitespace_flexible": False}
        )
        if fault := llguidance.LLMatcher.validate_grammar(self._grammar, self._tokenizer):
            raise ValueError(f"the schema cannot be a grammar: {fault}")

    def processor(self, rows: int, width: int, end_ids: Sequence[int]) -> LogitsProcessor:
        """For one `generate` over so many rows of prompts of this width."""
        return _Within([self._library.LLMatcher(self._tokenizer, self._grammar) for _ in range(rows)], width, end_ids)


class _Within(LogitsProcessor):  # type: ignore[misc]
    """Lets every row go on only as its grammar does; where that is complete, it ends."""

    def __init__(self, matchers: Sequence[Any], width: int, end_ids: Sequence[int]) -> None:
        self.matchers, self.width, self.end_ids = matchers, width, end_ids

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        allowed = [self._allowed(*row, scores.shape[1]) for row in zip(self.matchers, input_ids.tolist(), strict=True)]
        mask = torch.from_numpy(np.stack(allowed)).to(scores.device)
        return scores.masked_fill(~mask, -torch.inf)

    def _allowed(self, matcher: Any, token_ids: Sequence[int], rows: int) -> np.ndarray[Any, np.dtype[np.bool_]]:
        said = token_ids[self.width :]
        if said and said[-1] not in self.end_ids and not matcher.is_stopped():
            matcher.consume_token(said[-1])
        if matcher.is_error():
            raise RuntimeError(f"llguidance: {matcher.get_error()}")
        allowed = np.zeros(rows, dtype=np.bool_)
        if matcher.is_stopped():
            allowed[list(self.end_ids)] = True
            return allowed
        bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), dtype=np.uint8), bitorder="little")[:rows]
        allowed[: len(bits)] = bits.astype(np.bool_)
        if matcher.is_accepting():
            allowed[list(self.end_ids)] = True
        return allowed


def _end_ids(model: Any, tokenizer: Any) -> list[int]:
    shipped = getattr(model.generation_config, "eos_token_id", None)
    ids = shipped if isinstance(shipped, list) else [shipped]
    found = {int(one) for one in [*ids, tokenizer.eos_token_id] if one is not None}
    if not found:
        raise ValueError("neither the model's generation configuration nor its tokenizer has an end token")
    return sorted(found)
