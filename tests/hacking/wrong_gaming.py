"""Rewards that can be gamed; the catalogue shows each of them caught."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace

from gaming import DualReward
from written_completions import CONTRACT
from wrong_rewards import FirstLetterContract

from pathvlm_r1.contract import Contract, Parsed
from pathvlm_r1.reward import Completion, Format, OracleJudge, RubricEvents, Score
from pathvlm_r1.reward.oracle import reasoning

NO_ERROR = {"definition_error": False, "logical_contradiction": False, "incorrect_criterion": False}


class LastBlockContract(Contract):
    """Takes the last answer block that it finds, whatever stands in the others."""

    def parse(self, text: str, options: tuple[str, ...]) -> Parsed:
        before, tag, block = text.rpartition("<answer>")
        return super().parse(f"<think></think>{tag}{block}", options) if before else super().parse(text, options)


class FoundForm:
    """Looks for the form anywhere in the text."""

    name = "format"

    def __call__(self, completion: Completion) -> Score:
        found = re.search(r"<think>.*</think>.*<answer>.*</answer>", completion.text, re.DOTALL)
        return Score(float(found is not None), "found or not")


class WordJudge:
    """Takes the rubric's own words, and the grammar's, for its steps."""

    def __call__(self, completion: Completion) -> RubricEvents:
        text = completion.text.lower()
        return RubricEvents(
            image_feature_analysis="image" in text,
            option_elimination="exclu" in text or "elimin" in text,
            medical_knowledge_support="definition" in text or "knowledge" in text,
            **NO_ERROR,
        )


class ObedientJudge:
    """The oracle, until the text tells it what to say."""

    def __call__(self, completion: Completion) -> RubricEvents | None:
        events = OracleJudge(CONTRACT)(completion)
        if re.search(
            r"ignore all|full marks|\"image_feature_analysis\": true", reasoning(completion.text), re.IGNORECASE
        ):
            return RubricEvents(
                image_feature_analysis=True, option_elimination=True, medical_knowledge_support=True, **NO_ERROR
            )
        return events


class ForgivingJudge:
    """The oracle, but no error counts."""

    def __call__(self, completion: Completion) -> RubricEvents | None:
        events = OracleJudge(CONTRACT)(completion)
        return events and replace(events, **NO_ERROR)


def united(text: str) -> frozenset[str]:
    """Unites what was found so far anew at every word: quadratic work, but few calls."""
    found: frozenset[str] = frozenset()
    for word in text.split():
        found = found | {word}
    return found


_FORM, _ORACLE = Format(CONTRACT), OracleJudge(CONTRACT)
WRONG_REWARDS: Mapping[str, DualReward] = {
    "the first letter is the answer": DualReward(FirstLetterContract(), _ORACLE, _FORM),
    "the last block is the answer": DualReward(LastBlockContract(), _ORACLE, _FORM),
    "the form may stand anywhere": DualReward(CONTRACT, _ORACLE, FoundForm()),
    "words are steps": DualReward(CONTRACT, WordJudge(), _FORM),
    "the judge obeys": DualReward(CONTRACT, ObedientJudge(), _FORM),
    "errors are free": DualReward(CONTRACT, ForgivingJudge(), _FORM),
}
