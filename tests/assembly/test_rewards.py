"""From conf/reward to terms: every file builds, and what stands around a term arrives there."""

from dataclasses import replace

import pytest
from composing import CONF, changed, composed
from written_completions import CONTRACT, FLAWLESS, completion, phantom_samples, reference

from pathvlm_r1.assembly.rewards import reward_terms
from pathvlm_r1.config import TrainConfig
from pathvlm_r1.reward import (
    By,
    Clip,
    Gate,
    ImageTextAlignment,
    Missing,
    Normalisation,
    Over,
    Schedule,
    Shape,
    total_reward,
)

SAMPLE = phantom_samples("ct", 2)[1]
TERMS = {
    "accuracy": ["accuracy"],
    "accuracy_format": ["accuracy", "format"],
    "process": ["format", "process"],
    "dual": ["accuracy", "format", "process"],
    "dual_overlong": ["accuracy", "format", "process", "overlong"],
    "dual_gated": ["accuracy", "format", "process"],
    "dual_consistent": ["accuracy", "format", "process", "consistency"],
    "dual_aligned": ["accuracy", "format", "process", "image_text_alignment"],
    "dual_length": ["accuracy", "format", "process", "length", "repetition"],
    "open_answers": ["accuracy", "format", "text_similarity"],
}


def terms_of(*choices, **values):
    config = TrainConfig.checked(changed("train", list(choices), values))
    return {one.term.name: one for one in reward_terms(config.reward, CONTRACT, config.judge)}


def test_every_file_of_conf_reward_is_expected_here():
    assert sorted(TERMS) == sorted(path.stem for path in CONF.glob("reward/*.yaml"))


@pytest.mark.medium
@pytest.mark.parametrize(("name", "terms"), TERMS.items(), ids=TERMS)
def test_a_file_of_conf_reward_builds_its_terms_with_their_weights(name, terms):
    built, reward = terms_of(f"reward={name}"), TrainConfig.checked(composed("train", f"reward={name}")).reward
    assert list(built) == terms
    assert {name: one.weight for name, one in built.items()} == reward.weights
    if name != "dual_aligned":  # which needs weights that are not here
        group = [replace(one, token_count=50) for one in (reference(SAMPLE), completion(SAMPLE, ""))]
        assert total_reward([group], list(built.values()), Missing(reward.missing)).total.diff().item() <= 0


def test_gated_process_counts_only_for_the_right_answer():
    wrong = next(letter for letter in SAMPLE.letters if letter != SAMPLE.answer)
    group = [reference(SAMPLE), completion(SAMPLE, SAMPLE.rationale, wrong)]
    table = total_reward([group], list(terms_of("reward=dual_gated").values()), Missing.GROUP_MEAN)
    assert table.total.tolist() == [[3.0, 1.0]]
    assert table.terms["process"][0, 1] > 0


def test_what_is_asked_for_around_a_term_stands_around_it():
    shape = terms_of(
        **{
            "reward.process.gate": {"term": "format", "at_least": 1.0}, "reward.process.clip": [0.1, 0.9],
            "reward.process.normalise": {"by": "min_max", "over": "batch"},
            "reward.process.schedule": {"first": 0.5, "last": 1.0, "from_step": 3, "to_step": 9},
        }
    )["process"].shape  # fmt: skip
    normalisation = Normalisation(By.MIN_MAX, Over.BATCH)
    assert shape == Shape(Clip(0.1, 0.9), Gate("format", 1.0), normalisation, Schedule(0.5, 1.0, 3, 9))
    assert terms_of()["process"].shape == Shape()


def test_events_of_the_rubric_are_weighed_as_asked():
    weights = dict.fromkeys(FLAWLESS.to_dict(), 1.0) | {"option_elimination": 0.0}
    silent = completion(SAMPLE, "")
    assert terms_of()["process"].term(silent).value == 0.5
    weighed = terms_of(**{"reward.process.events": weights})["process"].term
    assert weighed(silent).value == pytest.approx((0.2 + 1) / 2)


def test_own_terms_stand_behind_the_shipped_ones_with_their_settings():
    own = {
        "brief": {"_target_": "own_terms.brief", "weight": 0.5, "most_words": 3, "gate": {"term": "accuracy",
                  "at_least": 1.0}},
        "tagged": {"_target_": "own_terms.Prefix", "weight": 2.0, "prefix": "<think>"},
    }  # fmt: skip
    built = terms_of("reward=accuracy", **{"reward.terms": own})
    assert list(built) == ["accuracy", "brief", "tagged"]
    assert built["brief"].shape == Shape(gate=Gate("accuracy", 1.0))
    table = total_reward([[completion(SAMPLE, "so")]], list(built.values()), Missing.GROUP_MEAN)
    assert table.total.tolist() == [[1.0 + 0.5 + 2.0]]


def test_the_encoder_of_an_alignment_is_the_one_that_is_named():
    term = terms_of("reward=dual_aligned")["image_text_alignment"].term
    assert isinstance(term, ImageTextAlignment)
    assert term.encoder.checkpoint == "openai/clip-vit-base-patch32"
