"""Completions of every kind that the oracle must tell apart, written for phantom and blood-smear samples."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from pathvlm_r1.contract import Contract
from pathvlm_r1.data import LETTERS, Sample
from pathvlm_r1.data.bccd_questions import PLATELET_BINS, PLATELETS, Draft, paired, to_sample
from pathvlm_r1.data.phantom import ONTOLOGIES, PhantomSource
from pathvlm_r1.data.rationale import Argument, Style, concludes, excludes, join, means, read, shows, write
from pathvlm_r1.data.voc import Photograph
from pathvlm_r1.reward import Completion, FinishReason, Judge, RubricEvents

CONTRACT = Contract()
COMPLETE = {"complete": 1.0}
FLAWLESS = RubricEvents(
    image_feature_analysis=True,
    option_elimination=True,
    medical_knowledge_support=True,
    definition_error=False,
    logical_contradiction=False,
    incorrect_criterion=False,
)


def events_of(judge: Judge, judged: Completion) -> RubricEvents:
    """What a judge decides of one completion, whose sample has a findings table."""
    (verdict,) = judge([judged])
    assert verdict.events is not None
    return verdict.events


def completion(sample: Sample, reasoning: str, answer: str | None = None) -> Completion:
    """A completion in the contract's form; the answer is the right one unless given."""
    text = f"<think>{reasoning}</think><answer>{answer or sample.answer}</answer>"
    return Completion(sample, text, FinishReason.STOP, token_count=len(text))


def phantom_samples(modality: str, count: int = 40) -> list[Sample]:
    """Questions of every type of a modality, with complete rationales."""
    return PhantomSource(f"phantom_{modality}", modality, 7, 112, COMPLETE).samples("rl", count)


def smear_samples() -> list[Sample]:
    """Counting and more-or-fewer questions on blood smears, with complete rationales."""
    smears = [
        Photograph(f"smear{count}", Path(f"smear{count}.jpg"), {"Platelets": count, "RBC": 9 + count, "WBC": 1})
        for count in range(6)
    ]
    question = "How many platelets does this blood smear show?"
    options = [PLATELET_BINS[shift:] + PLATELET_BINS[:shift] for shift in range(4)]
    counting = [Draft(smear, "platelets", question, PLATELETS, options[i % 4]) for i, smear in enumerate(smears)]
    return [to_sample(draft, seed=0, style_shares=COMPLETE) for draft in [*counting, *paired(smears, 0)]]


def all_samples() -> list[Sample]:
    """Every modality and question type."""
    return [*(sample for modality in ONTOLOGIES for sample in phantom_samples(modality)), *smear_samples()]


def reference(sample: Sample) -> Completion:
    """The completion that SFT learns."""
    return Completion(sample, CONTRACT.target(sample), FinishReason.STOP, token_count=1)


def exploits(sample: Sample) -> dict[str, Completion]:
    """Texts made to be paid without reading the image; all but the contradictions have the right answer."""
    table, said, right = sample.findings, read(sample.rationale), sample.option(sample.answer)
    other = next(option for option in sample.options if option != right)
    every_phrase = shows(sorted(table.shown | table.absent))
    every_fact = " ".join(means(subject, definition) for subject, definition in table.knowledge.items())
    unseen = {option: min(facts.excluded_by) for option, facts in zip(sample.options, table.options, strict=True)}
    reasonings = {
        "every phrase": every_phrase,
        "every phrase, then the reference": f"{every_phrase} {sample.rationale}",
        "a sentence 50 times": f"{shows(said.seen)} " * 50,
        "the reference 50 times": f"{sample.rationale} " * 50,
        "a finding 50 times in one sentence": sample.rationale.replace(said.seen[0], ", ".join([said.seen[0]] * 50), 1),
        "names nothing": "The image was looked at with care, and every option was weighed.",
        "nothing": "",
        "the options": f"{sample.question} {' '.join(sample.options)}",
        "the prompt": CONTRACT.prompt(sample),
        "every option excluded": " ".join(excludes(option, reason) for option, reason in unseen.items()),
        "the answer excluded by what is seen": f"{sample.rationale} {excludes(right, said.seen[0])}",
        "the answer excluded by the unseen": f"{sample.rationale} {excludes(right, unseen[right])}",
        "every option concluded": " ".join(map(concludes, sample.options)),
        "every option concluded, after the reference": " ".join([sample.rationale, *map(concludes, sample.options)]),
        "every fact": every_fact,
        "every fact, then the reference": f"{every_fact} {sample.rationale}",
        "another conclusion": sample.rationale.replace(concludes(right), concludes(other)),
    }
    if len(sample.options) == 2:  # the reference already discusses both, so every fact is in place
        del reasonings["every fact, then the reference"]
    return {name: completion(sample, text) for name, text in reasonings.items()} | _contradictions(sample)


def _contradictions(sample: Sample) -> dict[str, Completion]:
    """Right reasoning with a wrong answer, and wrong answers argued for against the findings that are stated."""
    said, written = read(sample.rationale), {}
    for letter, facts in zip(sample.letters, sample.findings.options, strict=True):
        if letter != sample.answer:
            cited = " ".join(means(subject, sample.findings.knowledge[subject]) for subject in facts.subjects)
            post_hoc = " ".join([shows(said.seen), cited, *(excludes(*pair) for pair in said.excluded)])
            written[f"answer {letter} after the reference"] = completion(sample, sample.rationale, letter)
            written[f"answer {letter} against its own findings"] = completion(sample, post_hoc, letter)
    return written


def honest_wrong(sample: Sample) -> Completion | None:
    """Complete and self-consistent reasoning from a misreading; None where no single misreading leads to an option."""
    seen = list(read(sample.rationale).seen)
    misread = {"finding": _misread_finding, "grade": _misread_grade}.get(sample.question_type, _misread_definition)
    found = misread(sample, seen)
    if found is None:
        return None
    index, stated = found
    facts = sample.findings.options
    wrong = [i for i in range(len(facts)) if i != index][:2]
    argument = Argument(
        seen=tuple(stated),
        cited=tuple((subject, sample.findings.knowledge[subject]) for subject in facts[index].subjects),
        excluded=tuple(
            (sample.options[i], next(p for p in reversed(stated) if p in facts[i].excluded_by)) for i in wrong
        ),
        conclusion=sample.options[index],
    )
    return completion(sample, write(argument, Style.COMPLETE), LETTERS[index])


def _misread_definition(sample: Sample, seen: list[str]) -> tuple[int, list[str]] | None:
    """Diagnosis, marker and counts: another option whose definition is what is seen, but for one finding."""
    for index, facts in enumerate(sample.findings.options):
        against = [phrase for phrase in seen if phrase in facts.excluded_by]
        stated = [_value(sample, p, facts.excluded_by) if p in against else p for p in seen]
        is_defined = sample.dataset == "bccd" or sample.findings.knowledge[facts.subjects[0]] == join(stated)
        if len(against) == 1 and is_defined:
            return index, stated
    return None


def _misread_finding(sample: Sample, seen: list[str]) -> tuple[int, list[str]]:
    """The present finding missed, and an absent one taken for present."""
    right = sample.letters.index(sample.answer)
    index = (right + 1) % len(sample.options)
    facts = sample.findings.options[index]
    stated = [_value(sample, phrase, facts.excluded_by) if phrase in facts.excluded_by else phrase for phrase in seen]
    return index, [_value(sample, p, frozenset({p})) if p == sample.options[right] else p for p in stated]


def _misread_grade(sample: Sample, seen: list[str]) -> tuple[int, list[str]] | None:
    """One scored finding misread by one point, and the score and grade that follow."""
    points, grades = ONTOLOGIES["histology"].points, ONTOLOGIES["histology"].grades
    for place, phrase in enumerate(seen[:-1]):
        for group in (group for group in sample.findings.exclusive if phrase in group):
            for other in sorted(group - {phrase}):
                stated = [*seen[:place], other, *seen[place + 1 : -1]]
                score = sum(points[p] for p in stated)
                if grades[score] != sample.option(sample.answer):
                    return sample.options.index(grades[score]), [*stated, f"score {score}"]
    return None


def _value(sample: Sample, phrase: str, excluded: frozenset[str]) -> str:
    """Another value of the phrase's attribute that is not among the excluded."""
    group = next(group for group in sample.findings.exclusive if phrase in group)
    return min(group - {phrase} - excluded)


def open_question(sample: Sample, answer: str) -> Sample:
    """The same question without options, and its answer in words."""
    return replace(sample, options=(answer,), answer="A", findings=None)
