"""A noisy judge: wrong at the stated rates, always in the same way, and in nothing else."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from math import exp, lgamma, log, log1p

import pytest
from hypothesis import given
from hypothesis.strategies import floats, permutations
from written_completions import CONTRACT, all_samples, completion, exploits, reference

from pathvlm_r1.reward import EVENTS, OracleJudge, RubricEvents
from pathvlm_r1.reward.judges import ErrorRates, NoisyJudge

pytestmark = pytest.mark.medium

ORACLE = OracleJudge(CONTRACT)
SAMPLES = all_samples()[::2]
COMPLETIONS = [each for sample in SAMPLES for each in (reference(sample), *exploits(sample).values())]
UNEVEN = {
    name: ErrorRates(false_present=0.05 + 0.15 * place, false_absent=0.9 - 0.15 * place)
    for place, name in enumerate(EVENTS)
}
TAIL = 1e-6  # of a binomial, on either side: 12 frequencies are looked at, and the errors are fixed by a hash


def noisy(rates, seed=0):
    return NoisyJudge(judge=ORACLE, seed=seed, rates=rates, name="noisy")


def everywhere(rate):
    return {name: ErrorRates(false_present=rate, false_absent=rate) for name in EVENTS}


def told(judge, completions=COMPLETIONS):
    return [verdict.events for verdict in judge(completions)]


def tail(count, total, rate):
    """P(at most `count` of `total`), by the binomial formula."""
    ways = [lgamma(total + 1) - lgamma(k + 1) - lgamma(total - k + 1) for k in range(count + 1)]
    return sum(exp(way + k * log(rate) + (total - k) * log1p(-rate)) for k, way in enumerate(ways))


def frequencies(judge):
    """Event, what is true -> how many, and how many of them are told wrongly; equal texts of a sample count once."""
    distinct = list({(each.sample.sample_id, each.text): each for each in COMPLETIONS}.values())
    counts = {(name, value): [0, 0] for name in EVENTS for value in (False, True)}
    for truth, said in zip(told(ORACLE, distinct), told(judge, distinct), strict=True):
        for name in EVENTS:
            count = counts[name, getattr(truth, name)]
            count[0] += 1
            count[1] += getattr(truth, name) is not getattr(said, name)
    return counts


def unlikely_counts(judge, rates):
    """Frequencies that the stated rates hardly ever give."""
    found = {}
    for (name, is_present), (total, wrong) in frequencies(judge).items():
        rate = rates[name].of(is_present=is_present)
        if tail(wrong, total, rate) < TAIL or tail(total - wrong, total, 1 - rate) < TAIL:
            found[name, is_present] = (wrong, total, rate)
    return found


def test_errors_are_as_frequent_as_the_stated_confusion_matrix_says():
    counts = frequencies(noisy(UNEVEN))
    assert min(total for total, _ in counts.values()) >= 40
    assert unlikely_counts(noisy(UNEVEN), UNEVEN) == {}


def test_a_matrix_that_is_turned_round_or_slightly_off_is_caught():
    turned = {
        name: ErrorRates(false_present=r.false_absent, false_absent=r.false_present) for name, r in UNEVEN.items()
    }
    assert unlikely_counts(noisy(turned), UNEVEN)
    assert unlikely_counts(noisy(everywhere(0.3)), everywhere(0.4))


def test_events_err_independently():
    """Two events err together as often as the product of their rates says."""
    truths, said = told(ORACLE), told(noisy(everywhere(0.4)))
    errors = [[getattr(a, name) is not getattr(b, name) for name in EVENTS] for a, b in zip(truths, said, strict=True)]
    distinct = list(
        {(each.sample.sample_id, each.text): row for each, row in zip(COMPLETIONS, errors, strict=True)}.values()
    )
    for place in range(len(EVENTS) - 1):
        both = sum(row[place] and row[place + 1] for row in distinct)
        assert tail(both, len(distinct), 0.16) > TAIL
        assert tail(len(distinct) - both, len(distinct), 0.84) > TAIL


def test_rate_0_is_the_wrapped_judge_and_rate_1_its_complement():
    truths = told(ORACLE)
    assert told(noisy(everywhere(0.0))) == truths
    opposite = [RubricEvents(**{name: not value for name, value in truth.to_dict().items()}) for truth in truths]
    assert told(noisy(everywhere(1.0))) == opposite


@given(order=permutations(range(12)), rate=floats(0, 1))
def test_a_verdict_depends_on_no_other_completion_and_on_no_order(order, rate):
    few = COMPLETIONS[:12]
    alone = [told(noisy(everywhere(rate)), [each])[0] for each in few]
    assert told(noisy(everywhere(rate)), [few[place] for place in order]) == [alone[place] for place in order]
    assert told(noisy(everywhere(rate)), [*few, *few]) == alone * 2


def test_another_process_tells_the_same():
    script = (
        "import json\nfrom test_noisy import everywhere, noisy, told\n"
        "print(json.dumps([list(events.to_dict().values()) for events in told(noisy(everywhere(0.4), seed=3))]))"
    )
    here = [list(events.to_dict().values()) for events in told(noisy(everywhere(0.4), seed=3))]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path), "PYTHONHASHSEED": "1"}
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)  # noqa: S603  our own script
    assert json.loads(found.stdout) == here


def test_another_seed_sample_or_text_errs_elsewhere():
    rates = everywhere(0.5)
    assert told(noisy(rates, seed=0)) != told(noisy(rates, seed=1))
    verdicts = []
    for name in ("a", "b"):
        samples = [replace(sample, sample_id=f"{name}{place}") for place, sample in enumerate(SAMPLES)]
        verdicts.append(told(noisy(rates), [reference(sample) for sample in samples]))
    assert verdicts[0] != verdicts[1]
    more = [completion(sample, f"{sample.rationale} Nothing more.") for sample in SAMPLES]
    assert told(ORACLE, more) == told(ORACLE, list(map(reference, SAMPLES)))
    assert told(noisy(rates), more) != told(noisy(rates), list(map(reference, SAMPLES)))


def test_of_two_judges_of_one_seed_the_less_noisy_is_wrong_only_where_the_other_is():
    for truth, less, more in zip(told(ORACLE), told(noisy(everywhere(0.2))), told(noisy(everywhere(0.4))), strict=True):
        for name in EVENTS:
            assert getattr(less, name) is getattr(truth, name) or getattr(more, name) is not getattr(truth, name)


def test_a_missing_verdict_stays_missing_and_says_why():
    unknown = [replace(each, sample=replace(each.sample, findings=None)) for each in COMPLETIONS[:3]]
    for verdict in noisy(everywhere(1.0))(unknown):
        assert (verdict.events, verdict.reason) == (None, "the sample has no findings table")
        assert verdict.provenance.wraps == "oracle"


def test_provenance_names_the_wrapped_judge_and_a_hash_of_seed_and_rates():
    judges = [noisy(everywhere(0.4)), noisy(everywhere(0.3)), noisy(everywhere(0.4), seed=1), noisy(UNEVEN)]
    found = [judge(COMPLETIONS[:1])[0].provenance for judge in judges]
    assert {(one.judge, one.wraps) for one in found} == {("noisy", "oracle")}
    assert len({one.revision for one in found}) == len(judges)
    assert noisy(dict(reversed(UNEVEN.items()))).revision == noisy(UNEVEN).revision


@pytest.mark.parametrize("text", ["", "\ud800", "x" * 70_000, "\x00"])
def test_any_text_is_judged(text):
    (events,) = told(noisy(everywhere(0.5)), [completion(SAMPLES[0], text)])
    assert isinstance(events, RubricEvents)
