"""Predictions keep what a score follows from: who decided, and of a panel what each member did."""

from dataclasses import replace

import pytest
from written_completions import CONTRACT, all_samples, completion, reference

from pathvlm_r1.evaluation.predictions import predict, read_predictions, write_predictions
from pathvlm_r1.reward import EVENTS, CrossModalProcess, OracleJudge, RubricEvents, Rule, process_score
from pathvlm_r1.reward.judges import ErrorRates, NoisyJudge, PanelJudge, RulesJudge, Tie

ORACLE = OracleJudge(CONTRACT)
ERRORS = {name: ErrorRates(false_present=0.4, false_absent=0.4) for name in EVENTS}
NOISY = NoisyJudge(judge=ORACLE, seed=0, rates=ERRORS, name="noisy_40")
SAMPLES = all_samples()[:8]
JUDGED = [*map(reference, SAMPLES), *(completion(sample, "This is no reasoning.") for sample in SAMPLES)]


class Silent:
    """The oracle of samples whose truth it does not know."""

    name = "oracle"

    def __call__(self, completions):
        return ORACLE([replace(each, sample=replace(each.sample, findings=None)) for each in completions])


def read_back(judge, path, coefficient=0.4):
    """The predictions of some completions, written and read."""
    scores = CrossModalProcess(judge, coefficient).score_all(JUDGED)
    made = [predict(c, 0, contract=CONTRACT, scores={"process": s}) for c, s in zip(JUDGED, scores, strict=True)]
    write_predictions(path, made)
    return read_predictions(path)


@pytest.mark.parametrize("rule", Rule)
def test_scores_follow_from_a_panels_predictions_for_another_coefficient(rule, tmp_path):
    members = {"oracle": ORACLE, "rules": RulesJudge(), "noisy": NOISY}
    panel = PanelJudge(members=members, rule=rule, tie=Tie.STRICT, quorum=2)
    stored, wanted = read_back(panel, tmp_path / "a.jsonl"), read_back(panel, tmp_path / "b.jsonl", coefficient=0.15)
    for prediction, expected in zip(stored, wanted, strict=True):
        judged_by = prediction.judged_by
        each = [RubricEvents.from_dict(member["events"]) for member in judged_by["members"].values()]
        scored = each if judged_by["rule"] == "mean" else [RubricEvents.from_dict(prediction.events)]
        assert sum(process_score(e, 0.15) for e in scored) / len(scored) == pytest.approx(expected.process)
        assert list(judged_by["members"]) == list(members)
        assert judged_by["members"]["noisy"]["wraps"] == "oracle"
        for name in EVENTS:
            votes = [getattr(one, name) for one in each]
            assert judged_by["disagreement"][name] == pytest.approx(2 * votes.count(True) * votes.count(False) / 6)


def test_a_prediction_names_the_garbled_judge_and_the_hash_of_its_rates(tmp_path):
    for prediction in read_back(NOISY, tmp_path / "noisy.jsonl"):
        found = prediction.judged_by
        assert (found["judge"], found["wraps"], found["revision"]) == ("noisy_40", "oracle", NOISY.revision)
        assert "members" not in found


def test_a_member_without_a_verdict_is_kept_as_such(tmp_path):
    blind = NoisyJudge(judge=Silent(), seed=0, rates=ERRORS)
    panel = PanelJudge(members={"a": ORACLE, "b": blind}, rule=Rule.MAJORITY, tie=Tie.STRICT, quorum=1)
    for prediction in read_back(panel, tmp_path / "silent.jsonl"):
        assert prediction.judged_by["members"]["b"]["events"] is None
        assert prediction.judged_by["disagreement"] == {}
