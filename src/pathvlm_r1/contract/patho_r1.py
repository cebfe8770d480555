"""Patho-R1's contract, for its model as a baseline: a system text that asks for tags.

Its evaluation joins the options by a literal " /n ", which stands here too. Answers are read as think_answer_v1 reads
them, which asks for the same tags.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from pathvlm_r1.contract.asking import Asking, lettered
from pathvlm_r1.contract.parsed import Parsed
from pathvlm_r1.contract.think_answer import Contract
from pathvlm_r1.data import Sample

_SYSTEM = (
    "You are a pathology expert, your task is to answer question step by step. Use the following format:"
    "<think> Your step-by-step reasoning </think><answer> Your final answer </answer>"
)


@dataclass(frozen=True)
class PathoR1Contract:
    """Contract `patho_r1_v1`."""

    name: str = "patho_r1_v1"
    asking: ClassVar[Asking] = Asking(system=_SYSTEM, max_completion_tokens=2_048)

    def prompt(self, sample: Sample) -> str:
        """The question and its options."""
        if sample.is_open:
            return sample.question
        return f"{sample.question} /n {lettered(sample, '{letter}. {text}', ' /n ')}"

    def target(self, sample: Sample) -> str:
        """The rationale and the answer in their tags."""
        return Contract().target(sample)

    def read(self, text: str, sample: Sample) -> Parsed:
        """As think_answer_v1."""
        return Contract().read(text, sample)
