"""A panel: what most members decide, ties as stated, and what each decided, from which every number follows."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations, product
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, floats, lists, none, one_of, sampled_from, tuples
from written_completions import CONTRACT, all_samples, reference

from pathvlm_r1.reward import (
    EVENTS,
    STEPS,
    CrossModalProcess,
    JudgeError,
    OracleJudge,
    Provenance,
    RubricEvents,
    Rule,
    Verdict,
    process_score,
)
from pathvlm_r1.reward.judges import PanelJudge, RulesJudge, Tie

COMPLETION = reference(all_samples()[0])
EVENT_ROWS = tuples(*[booleans()] * len(EVENTS))


@dataclass(frozen=True)
class Decided:
    """A judge that has made up its mind: the events that it says of everything, or none."""

    events: RubricEvents | None
    name: str = "decided"

    def __call__(self, completions: Sequence[object]) -> list[Verdict]:
        paid = Provenance(judge=self.name, input_tokens=3, output_tokens=2, cost_usd=0.25)
        return [Verdict(self.events, "seen" if self.events else "refused", paid) for _ in completions]


def events(row):
    return None if row is None else RubricEvents(**dict(zip(EVENTS, row, strict=True)))


def panel(rows, rule=Rule.MAJORITY, tie=Tie.STRICT, quorum=1):
    members = {f"m{place}": Decided(events(row)) for place, row in enumerate(rows)}
    return PanelJudge(members=members, rule=rule, tie=tie, quorum=quorum)


def verdict_of(rows, **settings):
    (verdict,) = panel(rows, **settings)([COMPLETION])
    return verdict


ALL, NOTHING = (True,) * 6, (False,) * 6


def most_of(rows, tie):
    """The majority in plain Python: an even vote is the half that pays less, or more."""
    decided = {}
    for place, name in enumerate(EVENTS):
        votes = [row[place] for row in rows]
        paid_more = name in STEPS
        even = paid_more if tie is Tie.LENIENT else not paid_more
        decided[name] = even if votes.count(True) == votes.count(False) else votes.count(True) > votes.count(False)
    return RubricEvents(**decided)


@given(rows=lists(EVENT_ROWS, min_size=2, max_size=5), tie=sampled_from(Tie), rule=sampled_from(Rule))
def test_events_are_those_of_the_majority_and_ties_as_stated(rows, tie, rule):
    assert verdict_of(rows, tie=tie, rule=rule).events == most_of(rows, tie)


def test_a_strict_tie_pays_what_the_worst_member_could_and_a_lenient_one_what_the_best_could():
    for first, second in product([ALL, NOTHING, (True, False, True, False, True, False)], repeat=2):
        scores = {tie: process_score(verdict_of([first, second], tie=tie).events, 0.4) for tie in Tie}
        each = [process_score(events(row), 0.4) for row in (first, second)]
        assert scores[Tie.STRICT] <= min(each) <= max(each) <= scores[Tie.LENIENT]


@given(rows=lists(one_of(none(), EVENT_ROWS), min_size=2, max_size=5), tie=sampled_from(Tie), rule=sampled_from(Rule))
def test_members_without_a_verdict_do_not_vote(rows, tie, rule):
    voting = [row for row in rows if row is not None]
    verdict = verdict_of(rows, tie=tie, rule=rule)
    assert verdict.events == (most_of(voting, tie) if voting else None)
    assert verdict.score(0.4) == (verdict_of(voting, tie=tie, rule=rule).score(0.4) if voting else None)


@pytest.mark.parametrize("rule", Rule)
def test_below_the_quorum_there_is_no_verdict_and_the_silent_members_are_named(rule):
    rows = [ALL, None, NOTHING]
    assert verdict_of(rows, rule=rule, quorum=2).events is not None
    verdict = verdict_of(rows, rule=rule, quorum=3)
    assert (verdict.events, verdict.score(0.4)) == (None, None)
    assert verdict.reason == "2 of 3 members have a verdict, judge.quorum=3; m1: refused"
    assert verdict.votes == (events(ALL), events(NOTHING)), "what was decided is kept"
    (score,) = CrossModalProcess(panel(rows, rule, quorum=3), 0.4).score_all([COMPLETION])
    assert (score.value, score.verdict) == (None, verdict)


@given(rows=lists(EVENT_ROWS, min_size=2, max_size=5), coefficient=floats(0, 1))
def test_the_mean_is_that_of_the_members_scores_for_any_coefficient(rows, coefficient):
    expected = fmean(process_score(events(row), coefficient) for row in rows)
    term = CrossModalProcess(panel(rows, Rule.MEAN), coefficient)
    assert term(COMPLETION).value == pytest.approx(expected, abs=1e-12)
    assert CrossModalProcess(panel(rows), coefficient)(COMPLETION).value == process_score(
        most_of(rows, Tie.STRICT), coefficient
    )


def test_the_mean_is_not_the_score_of_the_majority():
    steps = (True, True, True, False, False, False)
    rows = [steps, steps, NOTHING]
    assert verdict_of(rows, rule=Rule.MEAN).score(0.4) != verdict_of(rows).score(0.4)


@given(rows=lists(one_of(none(), EVENT_ROWS), min_size=2, max_size=5))
def test_disagreement_is_the_share_of_pairs_of_voters_that_differ(rows):
    pairs = list(combinations([row for row in rows if row is not None], 2))
    found = verdict_of(rows).disagreement
    if not pairs:
        assert found == {}
    for place, name in enumerate(EVENTS if pairs else ()):
        assert found[name] == pytest.approx(sum(a[place] != b[place] for a, b in pairs) / len(pairs))


def test_a_verdict_has_its_members_by_name_and_in_the_order_of_the_completions():
    samples = all_samples()[:6]
    judged = [reference(sample) for sample in samples] + [replace(reference(samples[0]), text="")]
    members = {"oracle": OracleJudge(CONTRACT), "rules": RulesJudge()}
    verdicts = PanelJudge(members=members, rule=Rule.MEAN, tie=Tie.STRICT, quorum=2)(judged)
    for name, judge in members.items():
        assert [verdict.members[name] for verdict in verdicts] == judge(judged)
    assert verdicts[0].single == tuple(verdicts[0].members.values())
    assert OracleJudge(CONTRACT)(judged)[0].disagreement == {}


def test_a_panel_costs_what_its_members_cost_and_says_by_which_rule_it_decided():
    found = verdict_of([ALL, NOTHING, None], rule=Rule.MEAN, tie=Tie.LENIENT, quorum=2).provenance
    assert (found.judge, found.revision) == ("panel", "mean, ties lenient, quorum 2")
    assert (found.input_tokens, found.output_tokens, found.cost_usd) == (9, 6, 0.75)


def test_a_member_that_cannot_go_on_ends_the_panel_by_name():
    @dataclass(frozen=True)
    class Broken:
        name: str = "broken"

        def __call__(self, _):
            raise JudgeError("judge.max_cost=5: spent")

    broken = PanelJudge(members={"a": Decided(events(ALL)), "b": Broken()}, rule=Rule.MEAN, tie=Tie.STRICT, quorum=1)
    with pytest.raises(JudgeError, match=r"^judge\.members\.b: judge\.max_cost=5: spent$"):
        broken([COMPLETION])


def test_a_member_that_skips_a_completion_is_a_fault():
    @dataclass(frozen=True)
    class Short:
        name: str = "short"

        def __call__(self, _):
            return []

    faulty = PanelJudge(members={"a": Short(), "b": Decided(events(ALL))}, rule=Rule.MEAN, tie=Tie.STRICT, quorum=1)
    with pytest.raises(ValueError, match="a gave 0 verdicts on 1 completions"):
        faulty([COMPLETION])
