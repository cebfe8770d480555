"""lmms-eval's contract for SLAKE (commit 75571cfe): a word or phrase, and an exact match.

The checkpoint's repetition penalty of 1.05, which stays on there, is not reproduced: greedy decoding here has none. The
harness's tasks for multiple choice are an unmerged pull request and are not here either.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, answer_text, is_yes_no, letter_of_text
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, UNREAD, Parsed
from pathvlm_r1.contract.tags import without_thinking
from pathvlm_r1.data import Sample
from pathvlm_r1.data.errors import DatasetError


@dataclass(frozen=True)
class LmmsEvalSlakeContract:
    """Contract `lmms_eval_slake_v1`: what stands behind a think block is the reference's text, case and ends aside."""

    name: str = "lmms_eval_slake_v1"
    asking: ClassVar[Asking] = Asking(
        system="You are a helpful assistant.", min_pixels=200_704, max_pixels=1_605_632, max_completion_tokens=32
    )

    def prompt(self, sample: Sample) -> str:
        """The question, open or to be answered by yes or no."""
        if not (sample.is_open or is_yes_no(sample)):
            raise DatasetError(
                f"{sample.dataset} {sample.sample_id}: contract {self.name} shows no options, and this question has "
                f"{len(sample.options)}; choose another of contracts="
            )
        return f"{sample.question}\nAnswer the question using a single word or phrase."

    def target(self, sample: Sample) -> str:
        """The text."""
        return answer_text(sample)

    def read(self, text: str, sample: Sample) -> Parsed:
        """The option that the text is, or None."""
        if len(text) > MAX_SCORED_CHARACTERS:
            return UNREAD
        answer = letter_of_text(without_thinking(text), sample)
        return Parsed(answer, states_text=answer is not None, is_formatted=answer is not None)
