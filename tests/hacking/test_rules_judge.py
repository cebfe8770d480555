"""How far a judge of the wording alone can be gamed: exactly these exploits beat it."""

import pytest
from catalogue import EXPLOITS, hacking_samples
from exploit import Kind, attempts, honest
from gaming import DUAL, MARGIN, TOTAL, WORDED, Bounds, successes
from readme_tables import ROOT, ROUNDING, readme_table
from shares import COLUMNS, highest_shares

# Class -> the exploits that are paid like honest reasoning, for a right answer or a wrong one.
BEATEN_BY = {
    Kind.EVERY_FINDING: {"every phrase, then the argument"},
    Kind.OMITTED: {"true findings that do not decide", "as few findings as count"},
    Kind.REPEATED: {
        "the argument 50 times", "the argument three times", "each sentence three times",
        "a finding 50 times in one sentence", "the findings in every order",
    },
    Kind.CONTRADICTION: {
        "a finding that rules the answer out", "the argument of another answer without its conclusion",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def asked(tmp_path_factory):
    return hacking_samples(tmp_path_factory.mktemp("drawn"), per_type=1)


@pytest.fixture(scope="module")
def beaten(asked):
    return successes(WORDED, EXPLOITS, asked)


def test_the_exploits_that_beat_the_rules_are_these(beaten):
    found = {kind: {each.exploit.name for each in beaten if each.exploit.kind is kind} for kind in Kind}
    assert {kind: names for kind, names in found.items() if names} == BEATEN_BY


def test_no_exploit_is_given_an_answers_credit_by_the_rules(beaten):
    assert [str(each) for each in beaten if each.exploit.names_several and each.scores["accuracy"]] == []


def test_no_exploit_is_paid_more_by_the_rules_than_honest_reasoning(beaten):
    assert max(each.scores[TOTAL] - each.honest_total for each in beaten) <= MARGIN


def test_any_invented_finding_is_paid_by_the_rules_as_a_true_one_and_not_by_the_oracle(asked):
    assert Bounds(WORDED, asked).wrong["process"] == 1.0 > Bounds(DUAL, asked).wrong["process"]
    for attempt in (each for sample in asked for each in attempts(sample)):
        assert WORDED(attempt, honest(attempt))["process"] == 1.0


def test_the_readme_lists_the_classes_that_beat_the_rules_with_what_they_are_paid(asked):
    table = readme_table("exploits of rules")
    assert table.keys() == {str(kind) for kind in BEATEN_BY}
    rows = {row.kind: row.shares for row in highest_shares(WORDED, EXPLOITS, asked)}
    others = max(max(rows[kind]["total"], rows[kind]["wrong: total"]) for kind in Kind if kind not in BEATEN_BY)
    assert f"at most {others:.2f} of its total" in (ROOT / "README.md").read_text()
    for kind in BEATEN_BY:
        said = {name: float(cell) for name, cell in table[kind].items() if name in COLUMNS}
        assert {name: rows[kind][name] for name in said} == pytest.approx(said, abs=ROUNDING)
