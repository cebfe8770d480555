"""Contracts: the prompt of a question and the parser of its answers, versioned together."""

from pathvlm_r1.contract.asking import Asking, EvaluationContract
from pathvlm_r1.contract.bare_letter import bare_letter
from pathvlm_r1.contract.named import CONTRACTS, THINK_ANSWER
from pathvlm_r1.contract.parsed import MAX_SCORED_CHARACTERS, Parsed
from pathvlm_r1.contract.think_answer import OPEN_SUFFIX, SUFFIX, Contract

__all__ = [
    "CONTRACTS",
    "MAX_SCORED_CHARACTERS",
    "OPEN_SUFFIX",
    "SUFFIX",
    "THINK_ANSWER",
    "Asking",
    "Contract",
    "EvaluationContract",
    "Parsed",
    "bare_letter",
]
