"""LLaMA-Factory: dialogues as a JSON list, their pictures as files, and the entry of dataset_info.json for them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pathvlm_r1.data.exporting.pictures import PictureFile
from pathvlm_r1.data.exporting.questions import marked_text, reference
from pathvlm_r1.data.sample import Sample


def llama_factory_row(sample: Sample, pictures: Sequence[PictureFile]) -> dict[str, Any]:
    """A dialogue of the question and its reference answer."""
    return {
        "id": sample.sample_id,
        "question_type": sample.question_type,
        "messages": [
            {"role": "user", "content": marked_text(sample)},
            {"role": "assistant", "content": reference(sample)},
        ],
        "images": [picture.name for picture in pictures],
    }


def dataset_info(file_name: str) -> dict[str, Any]:
    """The entry for a file of such rows."""
    return {
        "file_name": file_name,
        "formatting": "sharegpt",
        "columns": {"messages": "messages", "images": "images"},
        "tags": {"role_tag": "role", "content_tag": "content", "user_tag": "user", "assistant_tag": "assistant"},
    }
