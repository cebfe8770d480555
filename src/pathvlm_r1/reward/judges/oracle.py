"""The oracle judge: the rubric's events decided from the findings table, for samples whose truth is known.

Only the reasoning is read, and of it only the sentences of `data.rationale`; what the table does not know says nothing.

What a step and an error are, beyond their names:

- A phrase said beside another that excludes it (glands and nests), or said and denied, is a hedge: it counts for no
  step. To claim and to deny anything is a contradiction, and to deny what the image shows is a false finding.
- A reason for an exclusion claims that the image shows it. One misread finding leaves every step in place: an honest
  wrong argument has the definition error, and no other.
- Elimination and knowledge must lead to the answer. They count for nothing where the text concludes otherwise, excludes
  its own answer, or claims a finding that rules it out.
- An answer is read from the image when each feature that could rule it out is. Findings chosen around such a feature,
  whatever it is, are no image analysis and eliminate nothing: silence about it must not pay more than misreading it.
- A recital is no argument and has no step: it says a sentence, a finding or a list's item more than twice, excludes
  what is no option here, or cites facts about what it neither concludes, excludes nor sees. True facts are no errors.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pathvlm_r1.contract import Contract
from pathvlm_r1.data import FindingsTable, OptionFacts, Sample
from pathvlm_r1.data.rationale import LIST_SEPARATOR, Reading, read, read_denials
from pathvlm_r1.reward.completion import Completion
from pathvlm_r1.reward.rubric import RubricEvents
from pathvlm_r1.reward.verdict import Provenance, Verdict

MAX_REPEATS = 2  # a conclusion may open and close an argument
NEEDED_FINDINGS = 2  # read rightly; where two or fewer bear on the question, all but one


@dataclass(frozen=True)
class OracleJudge:
    """The events of a completion's reasoning, from its sample's findings table; no verdict without one."""

    contract: Contract
    name: str = "oracle"

    def __call__(self, completions: Sequence[Completion]) -> list[Verdict]:
        """Deterministic, and linear in each completion's length."""
        return [self._verdict(completion) for completion in completions]

    def _verdict(self, completion: Completion) -> Verdict:
        sample, provenance = completion.sample, Provenance(judge=self.name)
        if sample.findings is None:
            return Verdict(None, "the sample has no findings table", provenance)
        answer = self.contract.parse(completion.text, sample.options).answer
        events = _Case.of(sample, sample.findings, answer, reasoning(completion.text)).events()
        return Verdict(events, "decided from the findings table", provenance)


def reasoning(text: str) -> str:
    """What stands in the first think block, or without one in front of the answer block."""
    before, tag, after = text.partition("<think>")
    return (after if tag else before).partition("</think>")[0].partition("<answer>")[0]


@dataclass(frozen=True)
class _Case:
    """The claims of a text and the truth that they are held against, all in lower case."""

    table: FindingsTable
    options: dict[str, OptionFacts]
    answered: str | None  # an option
    said: Reading
    denied: Reading
    is_loop: bool

    @classmethod
    def of(cls, sample: Sample, table: FindingsTable, answer: str | None, text: str) -> _Case:
        truth = _plain_table(table)
        options = dict(zip(map(_plain, sample.options), truth.options, strict=True))
        answered = None if answer is None else _plain(sample.option(answer))
        return cls(truth, options, answered, read(text), read_denials(text), _is_loop(text))

    def events(self) -> RubricEvents:
        is_argument = not self.is_loop and not self.is_recital
        leads_to_answer = is_argument and self.answered is not None and not self.contradicts_answer
        return RubricEvents(
            image_feature_analysis=is_argument and self.analyses_image and not self.is_selective,
            option_elimination=leads_to_answer and self.eliminates and not self.is_selective,
            medical_knowledge_support=leads_to_answer and self.supports,
            definition_error=bool(self.claimed & self.table.absent)
            or not self.table.shown.isdisjoint(self.denied.seen),
            logical_contradiction=bool(self.hedged) or self.denies_itself or self.contradicts_answer,
            incorrect_criterion=self.misdefines or self.excludes_wrongly,
        )

    @cached_property
    def reasons(self) -> dict[str, set[str]]:
        """What is excluded, option of this question or not -> every finding given as a reason."""
        reasons: dict[str, set[str]] = {}
        for option, reason in self.said.excluded:
            reasons.setdefault(option, set()).update(_items(reason))  # a union per reason would be quadratic
        return reasons

    @cached_property
    def claimed(self) -> frozenset[str]:
        """Everything that the image is said to show, as a finding or as a reason."""
        return frozenset(self.said.seen).union(*self.reasons.values())

    @cached_property
    def hedged(self) -> frozenset[str]:
        """Claims of which no image shows two, and those that are denied."""
        clashes = [self.claimed & group for group in self.table.exclusive]
        return self.claimed.intersection(self.denied.seen).union(*(clash for clash in clashes if len(clash) > 1))

    @cached_property
    def seen(self) -> frozenset[str]:
        """Findings that the text states and stands by."""
        return frozenset(self.said.seen) - self.hedged

    @cached_property
    def definitions(self) -> dict[str, set[frozenset[str]]]:
        """Known subject -> its definitions as cited, without the order of their lists."""
        definitions: dict[str, set[frozenset[str]]] = {}
        for subject, definition in self.said.cited:
            if subject in self.table.knowledge:
                definitions.setdefault(subject, set()).add(_items(definition))
        return definitions

    @property
    def analyses_image(self) -> bool:
        true_count = len(self.table.relevant & self.table.shown)
        stated = self.seen & self.table.relevant
        return bool(stated) and len(stated & self.table.shown) >= min(NEEDED_FINDINGS, true_count - 1)

    @property
    def is_selective(self) -> bool:
        """A feature of which some finding rules the answer out is left unread."""
        against = frozenset() if self.answered is None else self.options[self.answered].excluded_by
        return any(group & against and not group & self.seen for group in self.table.exclusive)

    @property
    def eliminates(self) -> bool:
        """An option other than the answered one falls, every reason given for it being decisive and seen."""
        return any(
            option != self.answered and reasons <= self.options[option].excluded_by & self.seen
            for option, reasons in self.reasons.items()
            if option in self.options
        )

    @property
    def supports(self) -> bool:
        """Every subject of the answered option has its true definition, and only that."""
        return self.answered is not None and all(
            self.definitions.get(subject) == {_items(self.table.knowledge[subject])}
            for subject in self.options[self.answered].subjects
        )

    @property
    def misdefines(self) -> bool:
        return any(cited != {_items(self.table.knowledge[subject])} for subject, cited in self.definitions.items())

    @property
    def denies_itself(self) -> bool:
        """An exclusion or a fact is stated and denied; a finding that is both is a hedge."""
        pairs = ((self.said.excluded, self.denied.excluded), (self.said.cited, self.denied.cited))
        return any(not set(said).isdisjoint(denied) for said, denied in pairs)

    @property
    def excludes_wrongly(self) -> bool:
        return any(
            not reasons <= self.options[option].excluded_by
            for option, reasons in self.reasons.items()
            if option in self.options
        )

    @cached_property
    def contradicts_answer(self) -> bool:
        """The text concludes something else, excludes its own answer, or claims a finding that rules it out."""
        names = {*self.options, *self.table.knowledge}
        concluded = {text for text in self.said.concluded if any(name in text for name in names)}
        if self.answered is None:
            return len(concluded) > 1
        facts = self.options[self.answered]
        is_other = bool(concluded - {self.answered, *facts.subjects})
        return is_other or self.answered in self.reasons or bool(self.claimed & facts.excluded_by)

    @property
    def is_recital(self) -> bool:
        """It excludes what is no option, or cites what it neither answers, concludes, excludes nor sees."""
        named = {self.answered, *self.said.concluded, *self.reasons}
        discussed = [facts.subjects for option, facts in self.options.items() if option in named]
        is_off_topic = not self.definitions.keys() <= self.seen.union(*discussed)
        return is_off_topic or not self.reasons.keys() <= self.options.keys()


def _is_loop(text: str) -> bool:
    """Whether a sentence, a finding seen, or an item of one sentence's list is said more than `MAX_REPEATS` times."""
    sentences = [sentence.strip() for sentence in _plain(text).split(".") if sentence.strip()]
    lists = [LIST_SEPARATOR.split(sentence) for sentence in sentences]
    seen = [phrase for sentence in sentences for phrase in read(sentence).seen]
    return any(count > MAX_REPEATS for units in (sentences, seen, *lists) for count in Counter(units).values())


def _plain_table(table: FindingsTable) -> FindingsTable:
    return FindingsTable(
        shown=_plain_set(table.shown),
        absent=_plain_set(table.absent),
        relevant=_plain_set(table.relevant),
        knowledge={_plain(subject): _plain(definition) for subject, definition in table.knowledge.items()},
        options=tuple(
            OptionFacts(tuple(map(_plain, facts.subjects)), _plain_set(facts.excluded_by)) for facts in table.options
        ),
        exclusive=tuple(map(_plain_set, table.exclusive)),
    )


def _plain_set(phrases: frozenset[str]) -> frozenset[str]:
    return frozenset(map(_plain, phrases))


def _items(enumeration: str) -> frozenset[str]:
    """The members of `a, b and c`."""
    return frozenset(LIST_SEPARATOR.split(enumeration))


def _plain(text: str) -> str:
    return " ".join(text.lower().split())
