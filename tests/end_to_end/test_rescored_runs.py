"""A run's log: rewards and advantages follow from it, another reward is tried on it, and a false line is found."""

import json
import statistics
from dataclasses import replace
from itertools import groupby

import pytest
from logged_trainings import GRPO, KINDS, lines, rescored
from running import LIGHTNING_WARNINGS, Brevity, entry, runs_below, trained

from pathvlm_r1.assembly import judging, rescoring_runs, training
from pathvlm_r1.assembly.logged_runs import logged_run
from pathvlm_r1.assembly.verifying import verify_rewards
from pathvlm_r1.reward import RubricEvents, WeightedTerm, process_score
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS

FORMATTED = "<think></think><answer>A</answer>"


@pytest.fixture(scope="module", params=KINDS)
def run(request, tmp_path_factory):
    return trained(tmp_path_factory.mktemp("runs"), *GRPO, *KINDS[request.param])


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return trained(tmp_path_factory.mktemp("plain"), *GRPO, *KINDS["plain"])


def changed(run, tmp_path, number, change):
    """A copy of a run in whose log one line is changed, or is no longer there."""
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "manifest.json").write_text(run.manifest.read_text())
    rows = lines(run)
    rows[number : number + 1] = [change(rows[number])] if change is not None else []
    (copy / "completions.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return copy


def test_a_run_is_verified_at_its_end_and_again_by_the_command(run):
    rows = lines(run)
    assert len(rows) == 8 * len({row["rollout"] for row in rows})
    assert max(row["step"] for row in rows) == 2
    outcome = rescored(run, "verify=true")
    assert outcome.status == 0, outcome.text
    said = f"verified: terms, totals and advantages of all {len(rows)} completions in"
    assert said in outcome.stdout
    assert verify_rewards(logged_run(run.path), steps=2) in outcome.stdout


def test_process_scores_follow_from_the_logged_events_in_plain_python(run):
    for row in lines(run):
        term = row["terms"].get("process")
        if term is not None:
            votes = term["members"].values() if "members" in term else [term["events"]]
            scores = [process_score(RubricEvents.from_dict(vote), 0.4) for vote in votes]
            assert term["value"] == statistics.fmean(scores)


@pytest.mark.parametrize("kind", ["plain", "divergence in reward", "dealt at random"])
def test_advantages_follow_from_the_logged_totals_in_plain_python(kind, tmp_path):
    rows = lines(trained(tmp_path, *GRPO, *KINDS[kind]))
    for _, rollout in groupby(rows, key=lambda row: row["rollout"]):
        share = list(rollout)
        assert [row["total"] for row in share] == pytest.approx(
            [sum(term["value"] for term in row["terms"].values()) for row in share]
        )
        paid = [row["total"] - 0.5 * row.get("divergence", 0) for row in share]
        dealt = [paid[row.get("dealt_from", place)] for place, row in enumerate(share)]
        for start in range(0, len(share), 4):
            group = dealt[start : start + 4]
            expected = [(r - statistics.mean(group)) / (statistics.stdev(group) + 1e-4) for r in group]
            assert [row["advantage"] for row in share[start : start + 4]] == pytest.approx(expected, abs=1e-9)
    assert any(row["advantage"] for row in rows)
    assert ("divergence" in rows[0], "dealt_from" in rows[0]) == (kind == "divergence in reward", "random" in kind)


@pytest.mark.parametrize(
    ("kind", "change", "message"),
    [
        ("plain", lambda row: row["terms"]["accuracy"].update(value=0.5), "accuracy was logged as 0.5, and the run's"),
        ("plain", lambda row: row["terms"]["process"].update(value=None), "process was logged as None, and the run's"),
        ("plain", lambda row: row["terms"]["process"]["events"].update(definition_error=None), "not a line of a log"),
        ("plain", lambda row: row.update(total=row["total"] + 1e-15), "total was logged as "),
        ("plain", lambda row: row.update(advantage=row["advantage"] + 1e-9), "advantage was logged as "),
        ("plain", lambda row: row.update(counted=False), "counted was logged as False"),
        ("plain", lambda row: row.update(completion=FORMATTED), "completion 2 of its group (process 0): "),
        ("plain", lambda row: row.update(divergence=0.5), "rollout 0: 1 of 8 completions have a divergence, and the"),
        ("plain", lambda row: row.update(sample_id="phantom/rl/99999"), "1 samples of its log are not in split=rl of"),
        ("plain", lambda row: row["terms"].pop("format"), "terms was logged as ['accuracy', 'process']"),
        ("divergence in reward", lambda row: row.update(divergence=row["divergence"] + 1e-3), "advantage was logged"),
        ("dealt at random", lambda row: row.update(dealt_from=(row["dealt_from"] + 1) % 8), "dealt_from does not give"),
    ],
)  # fmt: skip
def test_a_line_that_is_not_what_the_configuration_gives_is_found_and_named(kind, change, message, plain, tmp_path):
    run = plain if kind == "plain" else trained(tmp_path / "runs", *GRPO, *KINDS[kind])

    def changing(row):
        change(row)
        return row

    outcome = rescored(changed(run, tmp_path, 2, changing), "verify=true")
    assert outcome.status == 2
    assert message in outcome.stderr
    assert "Traceback" not in outcome.text
    if "was logged" in message:
        first = lines(run)[2]
        assert f"completions.jsonl: step {first['step']}, sample {first['sample_id']}, completion " in outcome.stderr
        assert f"of {len(lines(run))} completions" in outcome.stderr


def test_a_log_that_lacks_its_end_or_a_line_is_no_verified_one(plain, tmp_path):
    outcome = rescored(changed(plain, tmp_path, 3, None), "verify=true")
    assert "rollout 0 is not whole" in outcome.stderr
    log = tmp_path / "copy" / "completions.jsonl"
    log.write_text("".join(json.dumps(row) + "\n" for row in lines(plain) if row["rollout"] == 0))
    outcome = rescored(tmp_path / "copy", "verify=true")
    assert outcome.status == 2
    assert "completions.jsonl: ends at step 1 of 2; lines are missing" in outcome.stderr


def test_a_training_that_rewards_otherwise_than_configured_fails_with_its_export_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(training, "reward_terms", lambda *_: [WeightedTerm(Brevity(), 1.0)])
    outcome = entry("train", *GRPO, *KINDS["without a judge"], "logger=none", f"output={tmp_path}")
    ((run, manifest),) = runs_below(tmp_path)
    assert outcome.status == 2, outcome.text
    assert "completions.jsonl: step " in outcome.stderr
    assert "accuracy was logged as 0.0" in outcome.stderr
    assert "finished:" not in outcome.text
    assert (manifest.status, manifest.error.split(":")[0]) == ("failed", "TrackingError")
    assert run.export.is_dir(), "the weights are there for whoever looks into it"


def test_another_coefficient_gives_the_rewards_that_the_events_say_and_asks_no_judge(plain, tmp_path, monkeypatch):
    def asked(*_):
        raise AssertionError("a judge was asked")

    monkeypatch.setattr(rescoring_runs, "judge_of", asked)
    out = tmp_path / "anew" / "rescored.jsonl"
    outcome = rescored(plain, "reward=dual", "reward.process.coefficient=0.3", "reward.format.weight=2", f"out={out}")
    assert outcome.status == 0, outcome.text
    rows, found = lines(plain), [json.loads(line) for line in out.read_text().splitlines()]
    assert len(rows) == len(found)
    for row, one in zip(rows, found, strict=True):
        place = ("rollout", "step", "process", "group", "index", "sample_id")
        assert [row[name] for name in place] == [one[name] for name in place]
        terms = {name: term["value"] for name, term in row["terms"].items()}
        assert one["logged"] == {"terms": terms, "total": row["total"], "advantage": row["advantage"]}
        process = process_score(RubricEvents.from_dict(row["terms"]["process"]["events"]), 0.3)
        assert one["terms"] == {**terms, "process": process}
        assert one["total"] == pytest.approx(terms["accuracy"] + 2 * terms["format"] + process)
    means = [statistics.fmean(row[side]["process"] for row in rows) for side, rows in (
        ("terms", [one["logged"] for one in found]), ("terms", found),
    )]  # fmt: skip
    shown = next(line for line in outcome.stdout.splitlines() if line.split()[:1] == ["process"])
    assert shown.split()[1:3] == [f"{mean:.3f}" for mean in means]


def test_the_runs_own_reward_changes_nothing(plain):
    outcome = rescored(plain, "reward=dual")
    shown = [line.split() for line in outcome.stdout.splitlines() if "%" in line]
    assert [row[0] for row in shown] == ["accuracy", "format", "process", "total", "advantage"]
    assert {row[3] for row in shown} == {"0.0%"}


def test_a_reward_that_needs_verdicts_which_the_log_lacks_is_one_clear_error(tmp_path):
    run = trained(tmp_path, *GRPO, *KINDS["without a judge"])
    outcome = rescored(run, "reward=dual")
    assert outcome.status == 2
    assert outcome.stderr.startswith(
        "error: reward=dual: its process term needs a judge's verdicts, and this run, of reward=accuracy, has none in"
    )
    assert rescored(run, "reward=accuracy_format").status == 0


def test_another_judge_is_asked_where_that_is_wished_and_both_are_shown_over_the_training(plain, tmp_path):
    out = tmp_path / "curve.json"
    outcome = rescored(plain, "ask=true", "judge=oracle", "bins=2", f"out={out}")
    assert outcome.status == 0, outcome.text
    found = json.loads(out.read_text())
    assert (found["logged_judge"]["name"], found["asked_judge"]["name"]) == ("noisy_40", "oracle")
    run = logged_run(plain.path)
    (oracle,) = [judging.judge_of(replace(run.config.judge, judge="oracle"), None).judge]
    for bin_, rollout in zip(found["bins"], run.rollouts, strict=True):
        completions = [run.completion(logged) for logged in rollout.completions]
        true = [verdict.score(0.4) for verdict in type(oracle)(training.Contract())(completions)]
        logged = [one.terms["process"].value for one in rollout.completions]
        assert (bin_["first_step"], bin_["last_step"], bin_["missing"]) == (rollout.step, rollout.step, 0)
        assert bin_["process_asked"] == pytest.approx(statistics.fmean(true))
        assert bin_["process_logged"] == pytest.approx(statistics.fmean(logged))
        assert bin_["gap"] == pytest.approx(statistics.fmean(logged) - statistics.fmean(true))
        assert bin_["accuracy"] == statistics.fmean(one.terms["accuracy"].value for one in rollout.completions)


def test_a_judge_that_is_asked_again_about_its_own_run_says_the_same(plain):
    run = logged_run(plain.path)
    outcome = rescored(plain, "ask=true", "judge=noisy_40", "bins=1")
    (shown,) = [line.split() for line in outcome.stdout.splitlines() if line.startswith(" 1 to 2")]
    assert shown[-1] == "0.000"
    assert shown[-2] == shown[-3]
    assert run.config.judge.name == "noisy_40"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ([], "nothing is named; give either run=, the folder of a GRPO run, or completions=, a file from elsewhere"),
        (["run=a", "completions=b"], "run=a and completions=b; give either run="),
        (["run=''"], "run='': must not be empty"),
        (["run=nowhere"], "nowhere/manifest.json does not exist: nowhere is not the folder of a run"),
        (["run=a", "split=rl"], "split: run=a has its own; leave it out"),
        (["run=a", "dataset=phantom_ct"], "dataset: run=a has its own; leave it out"),
        (["run=a", "judge=rules"], "judge: without ask=true no judge is asked; leave it out"),
        (["run=a", "bins=3"], "bins: without ask=true no judge is asked; leave it out"),
        (["run=a", "verify=true", "reward=dual"], "reward: verify=true takes the reward that the run records; leave"),
        (["run=a", "verify=true", "ask=true"], "ask=true: not together with verify=true, which asks no judge"),
        (["run=a", "ask=true", "reward=accuracy"], "reward=accuracy: needs the process term, with ask=true"),
        (["run=a", "ask=true", "bins=0"], "bins=0: at least 1"),
        (["completions=a", "verify=true"], "verify: completions from elsewhere belong to no run=; leave it out"),
        (["run=a", "out=."], "out=.: is a folder; name a file in it, out=rescored.jsonl"),
    ],
)
def test_a_command_that_cannot_be_followed_is_one_message(typed, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    outcome = entry("eval", "task=rescore", *typed)
    assert outcome.status == 2, outcome.text
    assert message in outcome.stderr
    assert "Traceback" not in outcome.text


def test_runs_of_other_stages_other_data_and_a_log_as_output_are_refused(plain, tmp_path):
    sft = trained(tmp_path / "sft", "stage=sft", "trainer.max_steps=1")
    assert "is of stage=sft, which rewards nothing; name one of stage=grpo" in rescored(sft).stderr
    out = rescored(plain, f"out={plain.completions_of(0)}")
    assert "is the file of completions; name another one" in out.stderr
    copy = changed(plain, tmp_path, 0, lambda row: row)
    manifest = read_manifest(plain.path)
    (copy / "manifest.json").write_text(plain.manifest.read_text().replace(manifest.data.hash, "0" * 64))
    assert "dataset=phantom has changed since this run began" in rescored(copy).stderr
