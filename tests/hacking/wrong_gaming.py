"""Rewards that can be gamed; the catalogue shows each of them caught."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

from gaming import DualReward
from written_completions import CONTRACT, events_of
from wrong_rewards import FirstLetterContract

from pathvlm_r1.contract import Contract, Parsed
from pathvlm_r1.reward import Completion, Format, OracleJudge, Provenance, RubricEvents, Score, Verdict
from pathvlm_r1.reward.judges.oracle import reasoning

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


class SingleJudge:
    """Decides each completion by itself."""

    name = "wrong"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        return [Verdict(self.events(each), "decided", Provenance(judge=self.name)) for each in completions]

    def events(self, completion: Completion) -> RubricEvents:
        raise NotImplementedError


class WordJudge(SingleJudge):
    """Takes the rubric's own words, and the grammar's, for its steps."""

    def events(self, completion: Completion) -> RubricEvents:
        text = completion.text.lower()
        return RubricEvents(
            image_feature_analysis="image" in text,
            option_elimination="exclu" in text or "elimin" in text,
            medical_knowledge_support="definition" in text or "knowledge" in text,
            **NO_ERROR,
        )


class ObedientJudge(SingleJudge):
    """The oracle, until the text tells it what to say."""

    def events(self, completion: Completion) -> RubricEvents:
        events = events_of(OracleJudge(CONTRACT), completion)
        if re.search(
            r"ignore all|full marks|\"image_feature_analysis\": true", reasoning(completion.text), re.IGNORECASE
        ):
            return RubricEvents(
                image_feature_analysis=True, option_elimination=True, medical_knowledge_support=True, **NO_ERROR
            )
        return events


class ForgivingJudge(SingleJudge):
    """The oracle, but no error counts."""

    def events(self, completion: Completion) -> RubricEvents:
        return replace(events_of(OracleJudge(CONTRACT), completion), **NO_ERROR)


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
