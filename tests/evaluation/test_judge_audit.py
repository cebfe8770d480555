"""An audit from scores to figures: what is missing is counted, what was answered before costs nothing."""

from dataclasses import replace

import pytest

from pathvlm_r1.evaluation import ProcessRule, audit_sentences, audit_table, measure_judge
from pathvlm_r1.reward import EVENTS, Provenance, RubricEvents, Score, Verdict

GOOD = RubricEvents(**{name: index < 3 for index, name in enumerate(EVENTS)})
POOR = RubricEvents(**{name: index >= 3 for index, name in enumerate(EVENTS)})
RULE = ProcessRule(0.4, None)


def judged(events, **provenance):
    verdict = Verdict(events, "as told", Provenance(judge="x", **provenance))
    value = None if events is None else RULE.score(events)
    return Score(value, "judged" if events is not None else "no verdict: refused", verdict)


def audited(repeats, true, **more):
    images = [f"image{index}" for index in range(len(true))]
    settings = {"rule": RULE, "seconds": 6.0, "seed": 0, "replicates": 50} | more
    return measure_judge(repeats, true, images, **settings)


def test_a_completion_without_a_verdict_is_counted_and_compared_with_nothing():
    audit = audited([[judged(GOOD), judged(None), judged(POOR)], [judged(GOOD), judged(POOR), judged(None)]],
                    [GOOD, GOOD, GOOD])  # fmt: skip
    assert (audit.completions, audit.pictures, audit.repeats, audit.compared) == (3, 3, 2, 2)
    assert audit.missing == [1, 1]
    assert audit.reasons == {"no verdict: refused": 2}
    assert audit.events[0].both + audit.events[0].only_true == 2
    assert (audit.score.judged, audit.score.true) == (pytest.approx((1 + RULE.score(POOR)) / 2), 1)
    assert audit.stability.compared == 1
    said = "\n".join(audit_sentences(audit))
    assert "without a verdict: 1, 1 of 3, each of 2 times" in said
    assert "2 times: no verdict: refused" in said
    assert audit_table(audit).row_count == len(EVENTS)


def test_an_agreeing_judge_is_perfect_in_what_occurs():
    audit = audited([[judged(GOOD), judged(POOR)] * 4], [GOOD, POOR] * 4)
    for one in audit.events:
        assert (one.precision.value, one.recall.value, one.kappa.value) == (1, 1, 1)
    assert (audit.score.bias.value, audit.score.spearman, audit.stability) == (0, pytest.approx(1), None)


def test_a_judge_that_says_the_opposite_has_a_kappa_of_minus_one():
    audit = audited([[judged(POOR), judged(GOOD)] * 4], [GOOD, POOR] * 4)
    assert [one.kappa.value for one in audit.events] == [-1] * len(EVENTS)


def test_only_verdicts_that_were_asked_for_anew_cost():
    asked = judged(GOOD, cost_usd=0.02, input_tokens=5)
    kept = judged(GOOD, is_cached=True)
    cost = audited([[asked, kept], [asked, asked]], [GOOD, GOOD]).cost
    assert (cost.asked, cost.usd) == (3, pytest.approx(0.06))
    assert (cost.usd_per_1000, cost.seconds_per_1000) == (pytest.approx(20), pytest.approx(2000))
    free = audited([[kept, kept]], [GOOD, GOOD]).cost
    assert (free.asked, free.usd_per_1000, free.seconds_per_1000) == (0, None, None)
    panel = replace(asked.verdict, members={"a": asked.verdict, "b": kept.verdict})
    assert audited([[Score(1.0, "x", panel)]], [GOOD]).cost.usd == pytest.approx(0.02)


def test_a_text_too_long_to_be_judged_is_missing_though_it_is_scored():
    audit = audited([[Score(0.0, "70000 characters: over 64000 are not scored"), judged(GOOD)]], [GOOD, GOOD])
    assert (audit.missing, audit.compared) == ([1], 1)


def test_without_any_verdict_nothing_is_said_of_agreement():
    audit = audited([[judged(None)] * 3] * 2, [GOOD] * 3)
    assert (audit.compared, audit.score, audit.stability.unchanged) == (0, None, None)
    assert all(one.kappa is None for one in audit.events)
    assert "without a verdict: 3, 3 of 3" in "\n".join(audit_sentences(audit))
