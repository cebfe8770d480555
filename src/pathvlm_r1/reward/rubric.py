"""The rubric of the cross-modal process reward: six events about a reasoning, and the number that follows from them.

Events are what is stored: the score for another coefficient follows from them.

Source: PathVLM-R1, arXiv:2504.09258, Fig. 3.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields


@dataclass(frozen=True, kw_only=True)
class RubricEvents:
    """What a judge found: three steps that a reasoning should have, three errors that it should not."""

    image_feature_analysis: bool
    option_elimination: bool
    medical_knowledge_support: bool
    definition_error: bool
    logical_contradiction: bool
    incorrect_criterion: bool

    @property
    def missing(self) -> int:
        """Steps that the reasoning lacks, m."""
        return 3 - (self.image_feature_analysis + self.option_elimination + self.medical_knowledge_support)

    @property
    def errors(self) -> int:
        """Kinds of error that it has, e."""
        return self.definition_error + self.logical_contradiction + self.incorrect_criterion

    def to_dict(self) -> dict[str, bool]:
        """The events as they are stored."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> RubricEvents:
        """The events that `to_dict` stored.

        Raises:
            ValueError: an event is missing, unknown, or not true or false.
        """
        names = {field.name for field in fields(cls)}
        if stored.keys() != names:
            raise ValueError(f"the events are {sorted(stored)}: there must be exactly {sorted(names)}")
        events = {name: value for name, value in stored.items() if isinstance(value, bool)}
        if len(events) < len(names):
            raise ValueError(f"{sorted(names - events.keys())} must be true or false, not text or numbers")
        return cls(**events)


EVENTS = tuple(field.name for field in fields(RubricEvents))  # in the order in which they are shown
STEPS = EVENTS[:3]  # which a reasoning should have; the others are errors


def process_score(events: RubricEvents, coefficient: float, weights: Mapping[str, float] | None = None) -> float:
    """The process reward of a reasoning.

        R = (max(0, 1 - c sum of w over missing steps) + max(0, 1 - c sum of w over errors)) / 2

    Args:
        events: what the judge found.
        coefficient: c, what one missing step or one error costs; 0.4 in the paper.
        weights: w of every event, 0 for one that does not count; None for 1 each, as the paper has it.

    Returns:
        In [0, 1].

    Raises:
        ValueError: a coefficient outside [0, 1], or weights that are not of the six events, finite and 0 or more.

    Source: PathVLM-R1, arXiv:2504.09258, section III.
    """
    if not 0 <= coefficient <= 1:
        raise ValueError(f"coefficient is {coefficient}: it must be in [0, 1], the scale that it is taken from")
    found = events.to_dict()
    weighed = dict.fromkeys(found, 1.0) if weights is None else weights
    if weighed.keys() != found.keys() or not all(0 <= weight < math.inf for weight in weighed.values()):
        raise ValueError(f"weights are {dict(weighed)}: a finite one of 0 or more for each of {', '.join(found)}")
    missing = sum(weighed[step] for step in STEPS if not found[step])
    errors = sum(weighed[error] for error in found if error not in STEPS and found[error])
    return (max(0.0, 1 - coefficient * missing) + max(0.0, 1 - coefficient * errors)) / 2
