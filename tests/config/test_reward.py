"""The keys of the reward: what may stand around every term, terms of one's own, and every refusal in its words."""

import pytest
from composing import changed, composed, message_of
from omegaconf import OmegaConf

from pathvlm_r1.config import TrainConfig, has_key, recorded

AROUND = "weight, gate, clip, normalise, schedule"
OWN = {"_target_": "own_terms.brief", "weight": 1.0, "most_words": 20}


def around(term="format", **keys):
    """Changes that put something around a term."""
    return {f"reward.{term}.{key}": value for key, value in keys.items()}


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            around("process", gate={"term": "acuracy", "at_least": 1.0}),
            "reward.process.gate.term=acuracy: another term of this reward: accuracy, format",
        ),
        (
            around("process", gate={"term": "process", "at_least": 1.0}),
            "reward.process.gate.term=process: another term of this reward: accuracy, format",
        ),
        (around(gate={"term": "accuracy"}), "reward.format.gate.at_least has no value: give it one, "
         "reward.format.gate.at_least=…"),
        (around(clip=[1.0, 0.0]), "reward.format.clip=[1.0, 0.0]: [low, high], low below high"),
        (around(clip=[0.0, 0.5, 1.0]), "reward.format.clip=[0.0, 0.5, 1.0]: [low, high], low below high"),
        (around(clip=0.5), "reward.format.clip=0.5: expected a list, reward.format.clip='[…,…]', got float"),
        (
            around(normalise={"by": "rank", "over": "group"}),
            "reward.format.normalise.by=rank: one of z_score, min_max",
        ),
        (
            around(normalise={"by": "z_score", "over": "epoch"}),
            "reward.format.normalise.over=epoch: one of group, batch",
        ),
        (
            around(schedule={"first": 0.0, "last": 1.0, "from_step": 20, "to_step": 20}),
            "reward.format.schedule.to_step=20: above reward.format.schedule.from_step=20, which is 0 or more",
        ),
        (
            around(schedule={"first": 0.0, "last": -1.0, "from_step": 0, "to_step": 20}),
            "reward.format.schedule.last=-1.0: 0 or more: a negative weight would reward the opposite",
        ),
        (
            around("process", events=dict.fromkeys(["image_feature_analysis", "option_elimination",
                   "medical_knowledge_support", "definition_error", "logical_contradiction"], 1.0)),
            "reward.process.events.incorrect_criterion has no value: give it one, "
            "reward.process.events.incorrect_criterion=…",
        ),
        ({"reward.process.gates": {}}, "reward.process.gates is not a key; did you mean reward.process.gate? Keys of "
         f"reward.process: {AROUND}, coefficient, events"),
        ({"reward.length": {"weight": 1.0, "min_tokens": 9, "max_tokens": 8, "falloff_tokens": 1}},
         "reward.length.min_tokens=9: 0 or more and at most reward.length.max_tokens=8"),
        ({"reward.length": {"weight": 1.0, "min_tokens": 1, "max_tokens": 8, "falloff_tokens": 0}},
         "reward.length.falloff_tokens=0: at least 1"),
        ({"reward.repetition": {"weight": 1.0, "ngram_size": 0}}, "reward.repetition.ngram_size=0: at least 1"),
        ({"reward.consistency": {"weight": 1.0}, "reward.missing": "stop"},
         "reward.missing=stop: group_mean or drop_term: consistency does not apply to every completion"),
    ],
)  # fmt: skip
def test_what_a_term_may_not_be_asked_is_refused_in_its_own_words(values, message):
    assert message_of("train", [], values) == message


EVENTS = ("image_feature_analysis", "option_elimination", "medical_knowledge_support", "definition_error",
          "logical_contradiction", "incorrect_criterion")  # fmt: skip


def test_weights_of_events_are_not_negative_and_some_event_counts():
    ones = dict.fromkeys(EVENTS, 1.0)
    negative = around("process", events=ones | {"definition_error": -1.0})
    assert message_of("train", [], negative) == (
        "reward.process.events.definition_error=-1.0: 0 or more: 0 does not count the event"
    )
    nothing = message_of("train", [], around("process", events=dict.fromkeys(EVENTS, 0.0)))
    assert nothing.endswith("at least one event needs a weight")


@pytest.mark.parametrize(
    ("own", "message"),
    [
        ({"weight": 1.0}, "reward.terms.mine._target_ has no value: give it one, "
         "reward.terms.mine._target_=my_module.my_term"),
        (OWN | {"_target_": "no_such_module.term"}, "reward.terms.mine._target_=no_such_module.term: cannot be "
         "imported (ModuleNotFoundError: No module named 'no_such_module'); give module.name, and put the folder of "
         "your module on PYTHONPATH"),
        (OWN | {"_target_": "own_terms.breif"}, "reward.terms.mine._target_=own_terms.breif: cannot be imported "
         "(AttributeError: module 'own_terms' has no attribute 'breif'); give module.name, and put the folder of your "
         "module on PYTHONPATH"),
        (OWN | {"_target_": "brief"}, "reward.terms.mine._target_=brief: neither a function nor a class; give one as "
         "module.name"),
        (OWN | {"_target_": "own_terms.NEITHER"}, "reward.terms.mine._target_=own_terms.NEITHER: neither a function "
         "nor a class; give one as module.name"),
        ({"_target_": "own_terms.nothing_to_score", "weight": 1.0}, "reward.terms.mine._target_="
         "own_terms.nothing_to_score: takes no completion; a term is def name(completion: Completion, ...) -> Score"),
        (OWN | {"most_word": 3}, "reward.terms.mine.most_word is not a key; did you mean reward.terms.mine.most_words? "
         "Keys of reward.terms.mine: most_words, unit"),
        ({"_target_": "own_terms.brief", "weight": 1.0}, "reward.terms.mine.most_words has no value: give it one, "
         "reward.terms.mine.most_words=…"),
        (OWN | {"most_words": "ten"}, "reward.terms.mine.most_words=ten: expected a whole number (int), got str"),
        ({"_target_": "own_terms.brief", "most_words": 20}, "reward.terms.mine.weight has no value: give it one, "
         "reward.terms.mine.weight=…"),
        (OWN | {"weight": -1.0}, "reward.terms.mine.weight=-1.0: 0 or more: a negative weight would reward the "
         "opposite"),
        (OWN | {"gate": {"term": "mine", "at_least": 1.0}}, "reward.terms.mine.gate.term=mine: another term of this "
         "reward: accuracy, format, process"),
    ],
)  # fmt: skip
def test_a_term_of_ones_own_that_cannot_be_built_is_refused_before_anything_is_loaded(own, message):
    assert message_of("train", [], {"reward.terms": {"mine": own}}) == message


def test_own_names_are_not_those_of_shipped_terms_or_of_the_total():
    for name in ("accuracy", "consistency", "total", "missing"):
        assert message_of("train", [], {"reward.terms": {name: OWN}}) == (
            f"reward.terms={name}: a name of your own: not total, not that of a key of reward"
        )


def test_functions_classes_and_those_that_take_anything_may_be_named():
    own = {"a": OWN, "b": {"_target_": "own_terms.Prefix", "weight": 0.5, "prefix": "<think>"},
           "c": {"_target_": "own_terms.open_to_all", "weight": 0.0, "anything": [1, 2]}}  # fmt: skip
    reward = TrainConfig.checked(changed("train", [], {"reward.terms": own})).reward
    assert reward.weights == {"accuracy": 1.0, "format": 1.0, "process": 1.0, "a": 1.0, "b": 0.5, "c": 0.0}
    assert reward.own["a"].settings == {"most_words": 20}


def test_an_encoder_is_held_to_its_signature_too():
    key = "reward.image_text_alignment.encoder"
    wrong = message_of("train", ["reward=dual_aligned"], {f"{key}.chekpoint": "x"})
    assert wrong.startswith(f"{key}.chekpoint is not a key; did you mean {key}.checkpoint?")
    assert message_of("train", ["reward=dual_aligned"], {f"{key}._target_": "pathvlm_r1.model.Clip"}).startswith(
        f"{key}._target_=pathvlm_r1.model.Clip: cannot be imported"
    )


def test_the_encoder_of_pictures_leaves_the_gpu_to_the_policy_unless_told_otherwise():
    encoder = composed("train", "reward=dual_aligned").reward.image_text_alignment.encoder
    assert encoder.device == "cpu"


def test_what_a_manifest_keeps_of_a_reward_is_read_back_and_one_without_the_newer_keys_too():
    own = {"a": OWN | {"gate": {"term": "accuracy", "at_least": 1.0}, "clip": [0.0, 1.0]}}
    schedule = {"first": 0.0, "last": 1.0, "from_step": 0, "to_step": 5}
    config = TrainConfig.checked(changed("train", [], {"reward.terms": own, "reward.process.schedule": schedule}))
    stored = composed("train").copy()
    stored.reward = OmegaConf.create(recorded(config)["reward"])
    assert TrainConfig.checked(stored).reward == config.reward
    older = {"name": "dual", "accuracy": {"weight": 1.0, "letter_and_text": False}, "format": {"weight": 1.0},
             "process": {"weight": 1.0, "coefficient": 0.4}, "overlong": None, "missing": "group_mean"}  # fmt: skip
    stored.reward = OmegaConf.create(older)
    assert TrainConfig.checked(stored).reward == TrainConfig.checked(composed("train", "reward=dual")).reward


def test_a_key_that_a_file_leaves_out_is_told_from_one_that_there_is_not():
    assert has_key(TrainConfig, "reward.process.gate.term")
    assert has_key(TrainConfig, "stage.beta")
    assert not has_key(TrainConfig, "reward.process.gates")
    assert not has_key(TrainConfig, "reward.process.coefficient.x")
