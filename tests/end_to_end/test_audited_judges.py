"""The audit of a judge by its command: rates found again, ratings, a run's log, repeats asked anew, refusals."""

import json

import pytest
from fake_chat import KEY, MODEL, FakeChat, serving
from logged_trainings import lines
from running import LIGHTNING_WARNINGS, TINY_GRPO, entry, trained

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.phantom import PhantomSource
from pathvlm_r1.reward import EVENTS, Completion, FinishReason, OracleJudge
from pathvlm_r1.reward.judges import RulesJudge

pytestmark = LIGHTNING_WARNINGS

COUNT = 300
OURS = PhantomSource("phantom", "histology", 20260711, 112, {"terse": 0.3, "partial": 0.1, "complete": 0.6})
DATA = (f"dataset.splits={{sft: 6, rl: 4, validation: {COUNT}, test: 6}}", "split=validation")
SHORT = ("replicates=50", "repeats=1")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    """A file of references and of empty reasonings, and the completions in it."""
    completions = [
        Completion(sample, Contract().target(sample) if at % 2 else "<think>So.</think><answer>A</answer>",
                   FinishReason.STOP, 0)
        for at, sample in enumerate(OURS.samples("validation", COUNT))
    ]  # fmt: skip
    path = tmp_path_factory.mktemp("audit") / "completions.jsonl"
    given = [{"sample_id": one.sample.sample_id, "completion": one.text} for one in completions]
    path.write_text("".join(json.dumps(line) + "\n" for line in given))
    return path, completions


def audited(path, *typed, to=None):
    """The numbers of an audit, and what was said."""
    out = to or path.parent / "audit.json"
    outcome = entry("eval", "task=judge_audit", f"completions={path}", f"out={out}", *DATA, *SHORT, *typed)
    assert outcome.status == 0, outcome.text
    return json.loads(out.read_text()), outcome.stdout


def refused(*typed):
    outcome = entry("eval", "task=judge_audit", *typed)
    assert outcome.status == 2, outcome.text
    return outcome.stderr.removeprefix("error: ").removesuffix("\n")


def test_the_oracle_agrees_with_itself(written):
    found, said = audited(written[0], "judge=oracle", f"n={COUNT}")
    assert [one["kappa"]["value"] for one in found["events"] if one["kappa"]] == [1.0] * 3
    assert found["score"]["bias"]["value"] == 0
    assert (found["missing"], found["completions"], found["pictures"]) == ([0], COUNT, COUNT)
    assert f"judge=oracle against=oracle: {COUNT} completions on {COUNT} pictures" in said


def test_the_error_rates_of_a_noisy_judge_are_found_again(written):
    found, _ = audited(written[0], "judge=noisy_20", f"n={COUNT}", "repeats=2")
    for one in found["events"]:
        wrong = one["only_judged"] + one["only_true"]
        assert abs(wrong / COUNT - 0.2) < 4 * (0.2 * 0.8 / COUNT) ** 0.5, one["event"]  # four standard errors
    lenient, _ = audited(written[0], "judge=noisy_lenient_40", f"n={COUNT}")
    for one in lenient["events"]:
        is_step = EVENTS.index(one["event"]) < 3
        assert one["only_true" if is_step else "only_judged"] == 0, "it errs in one direction alone"
    assert lenient["score"]["bias"]["low"] > 0
    assert (found["stability"]["unchanged"], found["stability"]["mean_spearman"]) == (1, pytest.approx(1))


def test_a_part_of_the_completions_is_drawn_by_the_seed(written):
    first, other = (audited(written[0], "judge=rules", "n=9", f"seed={seed}")[0] for seed in (0, 1))
    assert (first["completions"], other["completions"]) == (9, 9)
    assert first["score"] != other["score"]


def test_peoples_ratings_are_the_truth_where_they_are_asked_for(written, tmp_path):
    _, completions = written
    rated = completions[:20]
    rated_lines = [
        {"sample_id": one.sample.sample_id, "completion": one.text, "events": verdict.events.to_dict()}
        for one, verdict in zip(rated, RulesJudge()(rated), strict=True)
    ]
    path = tmp_path / "rated.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in rated_lines))
    found, _ = audited(path, "judge=rules", "against=ratings")
    assert {one["only_judged"] + one["only_true"] for one in found["events"]} == {0}
    rated_lines[3]["events"]["definition_error"] = "no"
    del rated_lines[5]["events"]
    path.write_text("".join(json.dumps(line) + "\n" for line in rated_lines))
    message = refused(f"completions={path}", "against=ratings", *DATA)
    assert f"{path}:4: ['definition_error'] must be true or false" in message
    assert f"{path}:6: events must be an object of six events, not null" in message
    assert "2 lines in all; rate them, leave them out, or hold the judge against=oracle" in message


def paid(url, folder):
    return (
        "judge=openai", f"judge.url={url}", f"judge.model={MODEL}", "judge.api_key_env=JUDGE_KEY",
        "judge.image_size=28", f"judge.cache={folder}/judge.sqlite",
        f"judge.prices=[{{model: {MODEL}, input: 2.0, output: 8.0}}]",
        "judge.backoff_seconds=0.01", "judge.max_missing_share=1",
    )  # fmt: skip


def test_a_language_model_is_asked_anew_each_time_and_never_again_by_another_audit(written, tmp_path, monkeypatch):
    monkeypatch.setenv("JUDGE_KEY", KEY)
    chat = FakeChat(lambda text, number: "prose" if "So." in text and number == 0 else None)
    with serving(chat) as url:
        first, said = audited(written[0], *paid(url, tmp_path), "n=12", "repeats=3")
        asked = sum(chat.asked.values())
        again, _ = audited(written[0], *paid(url, tmp_path), "n=12", "repeats=3")
        assert sum(chat.asked.values()) == asked, "every answer was kept"
    assert (first["cost"]["asked"], asked) == (36, 36)
    assert first["cost"]["usd_per_1000"] == pytest.approx(1000 * (900 * 2.0 + 150 * 8.0) / 1_000_000)
    assert (again["cost"]["asked"], again["cost"]["usd"], again["cost"]["usd_per_1000"]) == (0, 0, None)
    assert first["events"] == again["events"]
    assert first["missing"][0] > 0, "prose is no verdict"
    assert first["missing"][1:] == [0, 0]
    assert f"without a verdict: {first['missing'][0]}, 0, 0 of 12, each of 3 times" in said


def test_a_dry_run_says_what_an_audit_would_cost_and_sends_nothing(written, tmp_path):
    asked = (f"completions={written[0]}", *DATA, "n=20", *paid("http://127.0.0.1:9/v1", tmp_path))
    outcome = entry("eval", "task=judge_audit", *asked, "judge.dry_run=true")
    assert outcome.status == 0, outcome.text
    assert "calls   60: 20 completions, 3 times" in outcome.stdout
    assert list(tmp_path.iterdir()) == []
    assert refused(f"completions={written[0]}", *DATA, "judge=panel", "judge.dry_run=true") == (
        "judge.dry_run=true: judge=panel costs nothing"
    )
    assert refused(*asked).startswith("judge.api_key_env=JUDGE_KEY: this environment variable is not set")


def test_a_runs_completions_are_judged_on_its_own_data(tmp_path):
    run = trained(tmp_path, *TINY_GRPO, "stage.init=base", "stage.validation_samples=2", "judge=noisy_40")
    out = tmp_path / "audit.json"
    outcome = entry("eval", "task=judge_audit", f"run={run.path}", "judge=noisy_40", f"out={out}", "replicates=50")
    assert outcome.status == 0, outcome.text
    found, logged_lines = json.loads(out.read_text()), lines(run)
    samples = {sample.sample_id: sample for sample in OURS.samples("rl", 4)}
    logged = [line["terms"]["process"]["events"] for line in logged_lines]
    completions = [
        Completion(samples[line["sample_id"]], line["completion"], FinishReason.STOP, 0) for line in logged_lines
    ]
    true = [verdict.events.to_dict() for verdict in OracleJudge(Contract())(completions)]
    assert found["completions"] == len(logged_lines) == 16
    for one in found["events"]:
        differing = sum(said[one["event"]] != is_so[one["event"]] for said, is_so in zip(logged, true, strict=True))
        assert one["only_judged"] + one["only_true"] == differing, "a noisy judge says the same when it is asked again"
    assert "split: run=" in refused(f"run={run.path}", "split=test")
    assert refused(f"run={run.path}", f"out={run.completions_of(0)}").endswith(
        "is the file of completions; name another one"
    )


def test_files_that_cannot_be_used_are_refused_in_one_message(written, tmp_path):
    path, _ = written
    assert refused(f"completions={tmp_path / 'none'}").startswith(f"completions={tmp_path / 'none'}: no such file")
    assert refused(f"completions={path}", f"out={path}").endswith("is the file of completions; name another one")
