"""The model of `judge=local`: found before anything is loaded, loaded once, and asked in the form of requests."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForImageTextToText, AutoProcessor

from pathvlm_r1.assembly.identity import weights_identity
from pathvlm_r1.assembly.policies import EMBEDDED_FOLDER
from pathvlm_r1.config import EMBEDDED, ConfigError, LocalJudgeConfig
from pathvlm_r1.model import Chat, Dialogue, Reply, readable_size
from pathvlm_r1.model.processor import load_processor
from pathvlm_r1.reward.judges import BOUNDED_SCHEMA, Answer, Question

_log = logging.getLogger(__name__)
_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16, "float32": torch.float32}


@dataclass(frozen=True)
class AnsweringChat:
    """A model that answers requests as a server would."""

    chat: Chat
    name: str
    revision: str
    decoding: str

    def __call__(self, questions: Sequence[Question]) -> list[Answer]:
        """One answer for each, all decoded together; a request says how long they may be."""
        longest = max(question.body["max_tokens"] for question in questions)
        replies = self.chat.reply([_dialogue(question.body) for question in questions], longest)
        return [self._answer(reply) for reply in replies]

    def _answer(self, reply: Reply) -> Answer:
        body = {
            "model": self.name,
            "choices": [
                {"message": {"content": reply.text}, "finish_reason": "stop" if reply.is_ended else "length"},
            ],
            "usage": {"prompt_tokens": reply.prompt_tokens, "completion_tokens": reply.tokens},
            "system_fingerprint": self.revision,
        }
        return Answer.of(json.dumps(body))


def require_model(place: str, config: LocalJudgeConfig) -> None:
    """Refuse a folder that holds no model.

    Raises:
        ConfigError: names the key; a hub id is looked for only when it is loaded.
    """
    model, folder = config.model, _folder(config.model)
    is_hub_id = not folder.exists() and not model.startswith((".", "/", "~")) and model.count("/") == 1
    if not is_hub_id and not (folder / "config.json").is_file():
        raise ConfigError(
            f"{place}.model={model}: no such folder with a config.json; give a weights folder or a hub id"
        )


@lru_cache(maxsize=1)
def local_chat(model: str, precision: str, *, is_constrained: bool) -> AnsweringChat:
    """The model, loaded once however many judges ask it; on the GPU where there is one.

    Loading draws no random number that a training would miss after `resume=`.

    Raises:
        ConfigError: it cannot be loaded.
    """
    source = str(_folder(model)) if _folder(model).is_dir() else model
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    with torch.random.fork_rng():
        try:
            weights = AutoModelForImageTextToText.from_pretrained(source, dtype=_DTYPES[precision]).to(device).eval()
            chat = Chat(weights, _processor(source), schema=BOUNDED_SCHEMA if is_constrained else None)
        except (OSError, SafetensorError, ValueError) as error:
            reason = next(iter(str(error).splitlines()), type(error).__name__)
            raise ConfigError(
                f"judge.model={model}: cannot be loaded as a model of images and text: {reason}"
            ) from error
    size = readable_size(weights.get_memory_footprint())
    _log.info("judge.model=%s: %s of weights on %s, for the whole run", model, size, device.type)
    revision = weights_identity(source)
    if revision == source:  # a hub id
        revision = str(getattr(weights.config, "_commit_hash", None))
    return AnsweringChat(chat, model, revision, f"{precision} {'constrained' if is_constrained else 'free'}")


def _processor(source: str) -> Any:
    """Ours for Qwen2.5-VL, which does without torchvision; the model's own for any other."""
    if AutoConfig.from_pretrained(source).model_type == "qwen2_5_vl":
        return load_processor(source)
    return AutoProcessor.from_pretrained(source)


def _folder(model: str) -> Path:
    return EMBEDDED_FOLDER if model == EMBEDDED else Path(model).expanduser()


def _dialogue(body: dict[str, Any]) -> Dialogue:
    """What a request says, read back from its body."""
    system, user = body["messages"]
    *pictures, words = user["content"]
    return Dialogue(system["content"], tuple(_picture(one["image_url"]["url"]) for one in pictures), words["text"])


def _picture(data_url: str) -> Image.Image:
    return Image.open(io.BytesIO(base64.b64decode(data_url.partition("base64,")[2]))).convert("RGB")
