"""The rules judge: the rubric's events from the wording alone, a baseline and a control that a policy can game.

It is given a question, its options, none of an open one, and a text: no picture, no findings and no right answer. So
whatever sounds like reasoning is reasoning to it, true or not: a finding that the image does not show earns what a true
one does. That a definition or a criterion is wrong cannot be told without the truth, and those two errors are always
absent.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

from pathvlm_r1.contract import Contract
from pathvlm_r1.data import LETTERS, Sample
from pathvlm_r1.data.rationale import LIST_SEPARATOR
from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.judges.oracle import reasoning
from pathvlm_r1.reward.rubric import RubricEvents
from pathvlm_r1.reward.text_similarity import answer_text
from pathvlm_r1.reward.verdict import Provenance, Verdict

VERSION = "rules_v2"

_WORD = re.compile(r"\w+")
_END = re.compile(r"[.;!?\n]+")
_SEEING = re.compile(r"\b(?:shows?|reveals?|displays?|exhibits?|contains?|there (?:is|are)|we (?:see|find))\b")
_EXCLUDING = re.compile(r"\b(?:exclude[sd]?|eliminate[sd]?|rule[sd]? out|argues? against|unlikely|inconsistent)\b")
_EXCLUDED = r" (?:is|are|can be) (?:excluded|eliminated|ruled out|unlikely)\b"  # behind what is excluded
_LINKING = re.compile(r"\b(?:means?|defined|definition|criteri(?:on|a)|because|indicates?|suggests?)\b")
_CONCLUDING = re.compile(r"\b(?:this is|it is|(?:diagnosis|answer|conclusion) is|therefore|thus|hence)\b")
_DENYING = re.compile(r"\b(?:does not|do not|not|no|without)\b ?")
_CUES = (_SEEING, _EXCLUDING, _LINKING, _CONCLUDING)
# Words that say nothing of a picture, whatever the question.
_IDLE = frozenset(
    _WORD.findall(
        "a an and are as at be by for from has have here i image in is it no not of on or picture such that the there "
        "these this to we which with feature features finding findings option options relevant"
    )
)


_LONGEST_ANSWER = 200  # characters of words that answer an open question; to look for longer ones is no linear work


@dataclass(frozen=True)
class RulesJudge:
    """The events that a completion's wording suggests; of its sample only question and options are passed on."""

    name: str = "rules"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """Deterministic, and linear in each completion's length."""
        provenance = Provenance(judge=self.name, revision=VERSION)
        decided = [worded_events(each.sample.question, _shown_options(each.sample), each.text) for each in completions]
        return [Verdict(events, "decided from the wording", provenance) for events in decided]


def worded_events(question: str, options: Sequence[str], text: str) -> RubricEvents:
    """The events of a completion, as far as its wording goes.

    Args:
        question: what was asked.
        options: their texts, in the order of their letters; none of an open question.
        text: the whole completion.
    """
    wording = _Wording(
        _plain(question), tuple(map(_plain, options)), _answered(options, text), _plain_sentences(reasoning(text))
    )
    return RubricEvents(
        image_feature_analysis=wording.states_findings,
        option_elimination=wording.eliminates,
        medical_knowledge_support=wording.supports,
        definition_error=False,
        logical_contradiction=wording.concludes_otherwise or wording.excludes_its_answer or wording.denies_itself,
        incorrect_criterion=False,
    )


def _shown_options(sample: Sample) -> Sequence[str]:
    """The only option of an open question is the right answer, and shown to nobody."""
    return () if sample.is_open else sample.options


def _answered(options: Sequence[str], text: str) -> str | None:
    """The option that a completion answers, or the words with which it answers an open question."""
    if not options:
        said = _plain(answer_text(text) or "").strip(" .")
        return said if 0 < len(said) <= _LONGEST_ANSWER else None
    letter = Contract().parse(text, options).answer
    return None if letter is None else _plain(options[LETTERS.index(letter)])


@dataclass(frozen=True)
class _Wording:
    """The sentences of a reasoning, in lower case, and what they may have been copied from."""

    question: str
    options: tuple[str, ...]
    answered: str | None  # an option
    sentences: tuple[str, ...]

    @property
    def states_findings(self) -> bool:
        """A sentence says what is seen, in a word or a number of its own."""
        return any(self._has_own_words(sentence[cue.end() :]) for sentence, cue in self._with(_SEEING))

    @property
    def eliminates(self) -> bool:
        """A sentence excludes another option than the answered one; on an open question, anything else of its own."""
        return self.answered is not None and any(
            self._names_another(sentence, cue)
            for sentence, cue in self._with(_EXCLUDING)
            if not self._is_denied(sentence[: cue.start()])
        )

    @property
    def supports(self) -> bool:
        """A sentence ties words of the answer to words of its own, as a reason or a definition."""
        answer = set(_WORD.findall(self.answered or "")) - _IDLE
        return any(
            not answer.isdisjoint(_WORD.findall(sentence)) and self._has_own_words(sentence)
            for sentence, _ in self._with(_LINKING)
        )

    @property
    def concludes_otherwise(self) -> bool:
        """It concludes another option than it answers, or several where it answers none."""
        concluded = {
            option
            for sentence, _ in self._with(_CONCLUDING)
            if not _EXCLUDING.search(sentence) and not self._is_denied(sentence)
            for option in self._named(sentence)
        }
        return bool(concluded - {self.answered}) if self.answered is not None else len(concluded) > 1

    @property
    def excludes_its_answer(self) -> bool:
        excluded = re.compile(f"({self._names.pattern}){_EXCLUDED}")
        return any(self.answered in excluded.findall(sentence) for sentence in self.sentences)

    @property
    def denies_itself(self) -> bool:
        """A finding, or else a whole sentence, is said and denied."""
        said: dict[bool, set[str]] = {True: set(), False: set()}
        for sentence in self.sentences:
            seen = _SEEING.search(sentence)
            before = 0 if seen is None else len(_DENYING.findall(sentence[: seen.start()]))
            for unit in [sentence] if seen is None else LIST_SEPARATOR.split(sentence[seen.end() :]):
                plain, within = _DENYING.subn("", unit)
                said[(before + within) % 2 == 1].add(_without_endings(plain))  # denied twice is said
        return not (said[True] & said[False]) <= {""}

    @cached_property
    def _copied(self) -> frozenset[str]:
        """Words that are idle, or stand in the question, its options or the answer."""
        return _IDLE.union(_WORD.findall(f"{self.question} {' '.join(self.options)} {self.answered or ''}"))

    def _names_another(self, sentence: str, cue: re.Match[str]) -> bool:
        if self.options:
            return bool(self._named(sentence) - {self.answered})
        return self._has_own_words(self._names.sub("", sentence[: cue.start()]))

    @cached_property
    def _names(self) -> re.Pattern[str]:
        """The options, or the answer where none are shown; the longest first: one may begin another."""
        names = self.options or ([] if self.answered is None else [self.answered])
        longest_first = sorted(names, key=len, reverse=True)
        return re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, longest_first))})(?!\w)")

    def _named(self, sentence: str) -> set[str]:
        return set(self._names.findall(sentence))

    def _with(self, cue: re.Pattern[str]) -> Iterator[tuple[str, re.Match[str]]]:
        """The sentences in which a cue stands, with its first place."""
        found = ((sentence, cue.search(sentence)) for sentence in self.sentences)
        return ((sentence, match) for sentence, match in found if match is not None)

    def _is_denied(self, text: str) -> bool:
        """Whether a denial stands in it; that of an option's own name is none."""
        return _DENYING.search(self._names.sub("", text)) is not None

    def _has_own_words(self, text: str) -> bool:
        """A word that is neither idle, copied nor a cue of these rules; a number is a reading of the picture."""
        return any(
            word.isdecimal() or (word not in self._copied and not any(cue.fullmatch(word) for cue in _CUES))
            for word in _WORD.findall(text)
        )


def _plain(text: str) -> str:
    return " ".join(text.lower().split())


def _plain_sentences(text: str) -> tuple[str, ...]:
    return tuple(plain for plain in map(_plain, _END.split(text)) if plain)


def _without_endings(text: str) -> str:
    """Each word without its last s, so that what shows and what does not show are the same."""
    return " ".join(word.removesuffix("s") for word in text.split())
