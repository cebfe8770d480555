"""Reasonings in the oracle's own sentences: any findings, facts, exclusions and conclusion, mostly to the point."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from exploit import Attempt, attempts
from hypothesis import strategies as st

from pathvlm_r1.data import Sample
from pathvlm_r1.data.rationale import concludes, excludes, means, shows

RARELY, SOMETIMES, MOSTLY = 0.1, 0.3, 0.8


@st.composite
def claimed(draw: st.DrawFn, samples: Sequence[Sample]) -> tuple[Attempt, str]:
    """An attempt and a reasoning for it, true or false, with gaps or without."""
    attempt = draw(st.sampled_from([each for sample in samples for each in attempts(sample) if not each.states_text]))
    random = draw(st.randoms(use_true_random=False))
    seen = _seen(random, attempt)
    sentences = [shows(seen)] if seen else []
    sentences += [*_cited(random, attempt), *_excluded(random, attempt, seen)]
    if random.random() < MOSTLY:
        sentences.append(concludes(attempt.option))
    if random.random() < RARELY:
        sentences.append(concludes(random.choice(attempt.sample.options)))
    return attempt, " ".join(sentences)


def _seen(random: Random, attempt: Attempt) -> list[str]:
    """Some of what bears on the question; what rules the answer out is often passed over in silence."""
    table = attempt.sample.findings
    true, false = sorted(table.relevant & table.shown), sorted(table.relevant & table.absent)
    seen = random.sample(true, random.randint(0, len(true)))
    seen += random.sample(false, min(len(false), random.choice([0, 0, 0, 1, 1, 2])))
    if random.random() > SOMETIMES:
        seen = [phrase for phrase in seen if phrase not in attempt.facts.excluded_by]
    if random.random() < RARELY:
        seen.append(f"no {random.choice(true + false)}")
    if random.random() < RARELY:
        seen.append(random.choice(sorted(table.shown | table.absent)))
    return seen


def _cited(random: Random, attempt: Attempt) -> list[str]:
    """Mostly the facts of the answer, mostly true."""
    knowledge = attempt.sample.findings.knowledge
    subjects = [*attempt.facts.subjects] if random.random() < MOSTLY else []
    if random.random() < RARELY:
        subjects.append(random.choice(sorted(knowledge)))
    any_of_them = sorted(knowledge.values())
    return [
        means(subject, random.choice(any_of_them) if random.random() < RARELY else knowledge[subject])
        for subject in subjects
    ]


def _excluded(random: Random, attempt: Attempt, seen: Sequence[str]) -> list[str]:
    """Some options, mostly others than the answer, and mostly for what is said to be seen."""
    exclusions = []
    for option, facts in zip(attempt.sample.options, attempt.sample.findings.options, strict=True):
        likely = RARELY if option == attempt.option else MOSTLY
        reasons = [phrase for phrase in seen if phrase in facts.excluded_by]
        if random.random() < RARELY:
            reasons = sorted(facts.excluded_by)
        if reasons and random.random() < likely:
            exclusions.append(excludes(option, random.choice(reasons)))
    return exclusions
