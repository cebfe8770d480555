"""What may be asked of an audit and of a study of judges: each refusal names the key and what would be valid."""

import pytest
from composing import changed, composed, message_of

from pathvlm_r1.config import BCCDConfig, ConfigError, JudgeAuditConfig, OveroptimisationConfig, run

AUDIT, STUDY = ["task=judge_audit"], ["task=overoptimisation"]


@pytest.mark.parametrize(
    ("task", "key", "value", "rule"),
    [
        (AUDIT, "n", 0, "at least 1"),
        (AUDIT, "repeats", 0, "at least 1"),
        (AUDIT, "replicates", 0, "at least 1"),
        (AUDIT, "seed", -1, "0 or more, a seed"),
        (AUDIT, "judge.name", "none", None),
        (STUDY, "bins", 0, "at least 1"),
        (STUDY, "replicates", 0, "at least 1"),
        (STUDY, "seed", -1, "0 or more, a seed"),
    ],
)
def test_a_value_out_of_range_is_refused_with_its_key_and_the_rule(task, key, value, rule):
    expected = f"{key}={value}: {rule}" if rule else "judge=none: cannot score the process term"
    assert message_of("eval", task, {key: value}).startswith(expected)


def test_completions_are_those_of_a_run_or_of_a_file():
    assert message_of("eval", AUDIT, {"run": "x"}) == (
        "task=judge_audit: run=x and completions=a.jsonl; give either run=, the folder of a GRPO run, or completions=, "
        "a file from elsewhere"
    )
    assert message_of("eval", AUDIT, {"completions": None}).startswith("task=judge_audit: nothing is named; give")
    assert message_of("eval", AUDIT, {"completions": " "}) == "completions= : must not be empty"
    ratings = {"run": "x", "completions": None, "against": "ratings"}
    assert message_of("eval", AUDIT, ratings) == "against=ratings: oracle with run=: its log holds no ratings"


@pytest.mark.parametrize("task", [AUDIT, STUDY])
def test_what_is_judged_is_the_process_term(task):
    refused = message_of("eval", [*task, "reward=accuracy"], {})
    assert refused == "reward=accuracy: needs the process term, which is judged"


def test_data_without_findings_are_held_against_ratings_alone(monkeypatch):
    monkeypatch.setitem(run.JUDGES_BY_DATASET, "bccd", ())
    choices = [*AUDIT, "dataset=bccd", "judge=rules"]
    assert message_of("eval", choices, {}) == (
        "against=oracle: ratings: dataset=bccd has no findings that an oracle could hold a reasoning against"
    )
    rated = JudgeAuditConfig.checked(changed("eval", choices, {"against": "ratings"}))
    assert isinstance(rated.dataset, BCCDConfig)


def test_a_study_asks_a_judge_that_costs_nothing():
    with pytest.raises(ConfigError, match=r"^judge=openai: one that costs nothing"):
        OveroptimisationConfig.checked(composed("eval", *STUDY, "judge=openai"))
