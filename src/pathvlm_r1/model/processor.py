"""The Qwen2.5-VL processor for still images, without torchvision."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from transformers import AutoTokenizer, Qwen2_5_VLProcessor
from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil
from transformers.processing_utils import ProcessorMixin


class ImageTextProcessor(Qwen2_5_VLProcessor):  # type: ignore[misc]
    """The stock processor less its video part, which needs torchvision; all else is inherited."""

    attributes = ("image_processor", "tokenizer")

    def __init__(self, image_processor: Any = None, tokenizer: Any = None, chat_template: str | None = None) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        ProcessorMixin.__init__(self, image_processor, tokenizer, chat_template=chat_template)

    @classmethod
    def get_attributes(cls) -> list[str]:
        """The parts that a folder holds."""
        return ["image_processor", "tokenizer"]


def load_processor(
    folder: str | Path, *, min_pixels: int | None = None, max_pixels: int | None = None
) -> ImageTextProcessor:  # fmt: skip
    """Read a Qwen2.5-VL processor folder, or a hub id; the two limits are of the area after resizing."""
    image_processor = Qwen2VLImageProcessorPil.from_pretrained(folder)
    for edge, pixels in (("shortest_edge", min_pixels), ("longest_edge", max_pixels)):
        if pixels is not None:
            image_processor.size = {**dict(image_processor.size), edge: pixels}
    tokenizer = AutoTokenizer.from_pretrained(folder)
    return ImageTextProcessor(image_processor, tokenizer, tokenizer.chat_template)


def save_processor(processor: ImageTextProcessor, folder: Path) -> None:
    """Write tokenizer, image processor and chat template under the names of the stock classes."""
    processor.tokenizer.save_pretrained(folder)
    processor.image_processor.save_pretrained(folder)
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text())
    settings |= {"image_processor_type": "Qwen2VLImageProcessor", "processor_class": "Qwen2_5_VLProcessor"}
    path.write_text(json.dumps(settings, indent=2, sort_keys=True) + "\n")
