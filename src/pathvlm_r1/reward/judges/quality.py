"""The quality of an answer in six grades from 0 to 1, as a language model sees it; a measurement, never a reward.

Source: the paper's inference-time metrics R-ACC, K-ACC, Rigor, Professionalism, Clarity and Conciseness
(arXiv:2504.09258, Table II). It does not publish its prompt; ours is a file of `prompts/`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.judges.answer import Answer, fault_of, once
from pathvlm_r1.reward.judges.missing import require_enough
from pathvlm_r1.reward.judges.openai import OpenAIJudge
from pathvlm_r1.reward.verdict import Provenance

QUALITY_SCHEMA_VERSION = "quality_v1"


class Qualities(BaseModel):
    """Six grades from 0, the worst, to 1."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)

    reasoning_accuracy: float = Field(ge=0, le=1)  # R-ACC
    knowledge_accuracy: float = Field(ge=0, le=1)  # K-ACC
    rigor: float = Field(ge=0, le=1)
    professionalism: float = Field(ge=0, le=1)
    clarity: float = Field(ge=0, le=1)
    conciseness: float = Field(ge=0, le=1)


QUALITIES = tuple(Qualities.model_fields)
QUALITY_SCHEMA: dict[str, Any] = {  # as strict servers take it: no bounds
    "type": "object",
    "properties": {name: {"type": "number"} for name in QUALITIES},
    "required": list(QUALITIES),
    "additionalProperties": False,
}


@dataclass(frozen=True)
class Graded:
    """The grades of one completion, or none with the reason."""

    qualities: Qualities | None
    reason: str
    provenance: Provenance


@dataclass(frozen=True)
class QualityJudge:
    """Grades completions; what the judge's cache, ledger and limits are for verdicts they are for grades.

    Args:
        judge: that asks with a prompt on qualities, in the form of `QUALITY_SCHEMA`.
    """

    judge: OpenAIJudge

    def __call__(self, completions: Sequence[Completion]) -> list[Graded]:
        """Grades for each completion, in order.

        Raises:
            JudgeError: the budget, an outage or too many missing grades end it.
        """
        graded = []
        for reply in self.judge.replies(completions):
            qualities, reason = (None, reply.reason) if reply.answer is None else read_qualities(reply.answer)
            graded.append(Graded(qualities, reason, reply.provenance))
        missing = [one.reason for one in graded if one.qualities is None]
        require_enough(missing, len(graded), self.judge.max_missing_share)
        return graded


def read_qualities(answer: Answer) -> tuple[Qualities | None, str]:
    """Grades read strictly, or None and why there are none."""
    if fault := fault_of(answer):
        return None, fault
    try:
        found = json.loads(answer.choices[0].message.content or "", object_pairs_hook=once)
        return Qualities.model_validate(found), "graded"
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = ".".join(map(str, first["loc"])) or "the whole"
        return None, f"not of schema {QUALITY_SCHEMA_VERSION}: {place}: {first['msg']}"
    except (ValueError, RecursionError) as error:
        return None, f"no JSON: {error}"
