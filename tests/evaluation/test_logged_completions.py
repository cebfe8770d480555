"""The log of completions: what is written is read, and a log that is not whole is told apart from one that is."""

import json
from dataclasses import replace
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis.strategies import booleans, builds, dictionaries, floats, integers, lists, none, one_of, sampled_from
from hypothesis.strategies import text as texts

from pathvlm_r1.evaluation import LoggedCompletion, log_lines, read_log, read_rollouts
from pathvlm_r1.reward import EVENTS, FinishReason, Provenance, RubricEvents, Rule, Score, Verdict
from pathvlm_r1.tracking import TrackingError

FINITE = floats(-1e6, 1e6)
NAMES = sampled_from(["oracle", "noisy", "openai"])
ROWS = lists(booleans(), min_size=6, max_size=6)
RUBRICS = one_of(none(), builds(lambda row: RubricEvents(**dict(zip(EVENTS, row, strict=True))), ROWS))
MAYBE = one_of(none(), texts(max_size=3))
CONSTANT = {"judge": NAMES, "wraps": MAYBE, "model": MAYBE, "revision": MAYBE, "prompt": MAYBE, "schema": MAYBE}
COUNTS = integers(0, 9)
PAID = {"is_cached": booleans(), "input_tokens": COUNTS, "output_tokens": COUNTS, "cost_usd": floats(0, 1)}
MEMBER = builds(Verdict, RUBRICS, sampled_from(["as logged"]), builds(Provenance, **CONSTANT))
SINGLE = builds(
    Verdict, RUBRICS, texts(max_size=5), builds(Provenance, **CONSTANT, **PAID), sampled_from([(), (EVENTS[0],)])
)
VERDICTS = builds(
    lambda verdict, members, rule: replace(verdict, members=members, rule=rule if members else None),
    SINGLE, dictionaries(sampled_from("ab"), MEMBER), sampled_from(Rule),
)  # fmt: skip
SCORES = builds(Score, one_of(none(), FINITE), texts(max_size=5), one_of(none(), VERDICTS))
TERMS = dictionaries(sampled_from(["process", "accuracy"]), SCORES)


def logged(**changes):
    first = {
        "rollout": 0, "steps_before": 0, "step": 1, "process": 0, "processes": 1, "group": 0, "index": 0,
        "sample_id": "phantom/rl/00001", "completion": "This is adenoma (A).", "token_count": 8,
        "finish_reason": FinishReason.STOP, "terms": {"accuracy": Score(1.0, "right")}, "total": 1.0,
        "divergence": None, "dealt_from": None, "advantage": 0.5, "counted": True,
    }  # fmt: skip
    return LoggedCompletion(**(first | changes))


def written(path, *shares):
    """The file of a process, from the completions of its share of each rollout."""
    path.write_text("".join(line for share in shares for line in log_lines(share)))
    return path


LOGGED = builds(
    lambda **changes: logged(**changes), completion=texts(), terms=TERMS, total=FINITE, advantage=FINITE,
    divergence=one_of(none(), FINITE), dealt_from=one_of(none(), integers(0, 63)), counted=booleans(),
    rollout=integers(0, 1), finish_reason=sampled_from(FinishReason),
)  # fmt: skip


@given(rows=lists(LOGGED, max_size=6))
def test_every_number_event_and_text_is_read_as_it_was_written(rows, tmp_path_factory):
    shares = [[row for row in rows if row.rollout == rollout] for rollout in (0, 1)]
    path = written(tmp_path_factory.mktemp("log") / "completions.jsonl", *shares)
    assert read_log(path) == [row for share in shares for row in share]
    assert path.read_bytes().count(b"\n") == len(rows), "a completion is one line, whatever it holds"


def test_a_servers_words_that_are_no_valid_unicode_do_not_end_a_run(tmp_path):
    row = logged(terms={"process": Score(None, "no verdict: refused: \ud800")})
    assert read_log(written(tmp_path / "completions.jsonl", [row])) == [row]


def test_provenance_stands_where_it_changes_and_at_the_beginning_of_a_rollout():
    def judged(judge, reason="seen"):
        return logged(terms={"process": Score(None, "", Verdict(None, reason, Provenance(judge=judge)))})

    rows = [judged("a"), judged("a"), judged("b"), judged("b", "not seen"), judged("b", "not seen")]
    for _ in range(2):
        terms = [json.loads(line)["terms"]["process"] for line in log_lines(rows)]
        assert [term.get("judged_by", {}).get("judge") for term in terms] == ["a", None, "b", None, None]
        assert [term.get("judge_reason") for term in terms] == ["seen", None, None, "not seen", None]


def test_shares_of_several_processes_are_one_rollout_in_the_order_of_its_places(tmp_path):
    def share(rollout, process):
        places = [(group, index) for group in range(2) for index in range(3)]
        return [
            logged(
                rollout=rollout, process=process, processes=2, group=b, index=g, sample_id=f"{rollout}{process}{b}{g}"
            )
            for b, g in places
        ]

    files = [
        written(tmp_path / f"{process}.jsonl", *(share(rollout, process) for rollout in range(3))) for process in (0, 1)
    ]
    rollouts = read_rollouts(files)
    assert [rollout.index for rollout in rollouts] == [0, 1, 2]
    assert [[[len(group) for group in own] for own in rollout.shares] for rollout in rollouts] == [[[3, 3]] * 2] * 3
    ids = [completion.sample_id for completion in rollouts[1].completions]
    assert ids == [f"1{process}{b}{g}" for process in (0, 1) for b in (0, 1) for g in (0, 1, 2)]
    assert (rollouts[1].steps_before, rollouts[1].step) == (0, 1)


WHOLE = [logged(group=b, index=g) for b in range(2) for g in range(2)]


@pytest.mark.parametrize("broken", [WHOLE[:-1], [*WHOLE, WHOLE[1]], WHOLE[1:], [WHOLE[0], *WHOLE[2:]]])
def test_a_rollout_that_lacks_a_line_or_has_one_twice_is_refused(broken, tmp_path):
    path = written(tmp_path / "completions.jsonl", WHOLE, [replace(row, rollout=1) for row in broken])
    with pytest.raises(TrackingError, match=rf"rollout 1 is not whole: .* \({len(broken)} in all\)"):
        read_rollouts([path])


def test_lines_out_of_order_are_a_whole_rollout_all_the_same(tmp_path):
    for order in permutations(WHOLE):
        (rollout,) = read_rollouts([written(tmp_path / "completions.jsonl", order)])
        assert rollout.completions == WHOLE


def test_a_process_whose_file_is_missing_is_noticed(tmp_path):
    path = written(tmp_path / "completions.jsonl", [replace(row, processes=2) for row in WHOLE])
    with pytest.raises(TrackingError, match=r"rollout 0 is not whole: of 2 processes with 2 groups of 2 completions"):
        read_rollouts([path])


def test_a_missing_rollout_and_a_log_without_any_are_named(tmp_path):
    path = written(tmp_path / "completions.jsonl", WHOLE, [replace(row, rollout=3) for row in WHOLE])
    with pytest.raises(TrackingError, match=r"completions\.jsonl: rollout 1 is missing, one of 2; restore the file"):
        read_rollouts([path])
    with pytest.raises(TrackingError, match=r"completions\.jsonl: holds no completions"):
        read_rollouts([written(tmp_path / "completions.jsonl")])


LINE = next(log_lines([logged()])).strip()


@pytest.mark.parametrize(
    "line",
    [
        "{", "[]", "7", '{"rollout": 0}', LINE.replace('"total"', '"sum"'), LINE.replace('"stop"', '"tired"'),
        LINE.replace('"value": 1.0, ', ""),
    ],
)  # fmt: skip
def test_a_line_that_is_none_is_refused_with_its_number(line, tmp_path):
    path = written(tmp_path / "completions.jsonl", WHOLE)
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(TrackingError, match=r"completions\.jsonl:5: not a line of a log of completions \("):
        read_log(path)


def test_a_file_that_is_not_there_is_refused_with_its_name(tmp_path):
    with pytest.raises(TrackingError, match=r"none\.jsonl cannot be read"):
        read_log(tmp_path / "none.jsonl")
