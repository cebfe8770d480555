"""What an engine cannot do is refused before anything is loaded, with the key that asks and the engines that can."""

from typing import get_args, get_type_hints

import pytest
from composing import changed, choices, composed, message_of, schema_of

from pathvlm_r1.assembly.objectives import objective_of
from pathvlm_r1.config import CAPABILITIES, EvalConfig, RolloutConfig, TrainConfig
from pathvlm_r1.config.engines import FILTERS_OFF, WORDS, require_engine

ALL = frozenset(WORDS)
SAMPLED = {"evaluation.temperature": 1.0}


@pytest.fixture
def lacking(monkeypatch):
    """Takes capabilities from the native engine."""
    return lambda *capabilities: monkeypatch.setitem(CAPABILITIES, "native", ALL - set(capabilities))


def test_every_engine_that_may_be_chosen_states_its_capabilities():
    members = get_args(RolloutConfig) or (RolloutConfig,)
    names = {name for member in members for name in get_args(get_type_hints(member)["name"])}
    assert names == set(CAPABILITIES) == {choice.partition("=")[2] for choice in choices("rollout")}
    assert all(has <= ALL for has in CAPABILITIES.values())


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("top_k", 50, "restrict its draws to the likeliest tokens by their number"),
        ("top_p", 0.9, "restrict its draws to the likeliest tokens by their share of the probability"),
        ("min_p", 0.1, "restrict its draws to tokens by their probability beside the likeliest one's"),
    ],
)
@pytest.mark.parametrize("task", ["evaluate", "predict"])
def test_a_filter_that_the_engine_lacks_is_refused_where_it_is_on(name, value, words, task, lacking):
    lacking(name)
    assert message_of("eval", [f"task={task}"], SAMPLED | {f"evaluation.{name}": value}) == (
        f"evaluation.{name}={value}: rollout=native cannot {words}; engines that can: hf, vllm"
    )
    off = changed("eval", [f"task={task}"], SAMPLED | {f"evaluation.{name}": FILTERS_OFF[name]})
    assert schema_of("eval", [f"task={task}"]).checked(off).evaluation.filters == {}


@pytest.mark.medium
def test_grpo_needs_log_probs_and_sft_does_not(lacking):
    lacking("log_probs")
    assert message_of("train", ["stage=grpo"], {}) == (
        "stage=grpo: rollout=native cannot return the log-probs under which it samples; engines that can: hf, vllm"
    )
    for stage in ("sft", "pretrain"):
        assert TrainConfig.checked(composed("train", f"stage={stage}")).rollout.name == "native"


@pytest.mark.parametrize(
    ("name", "choice", "asks"),
    [
        ("train", "stage=grpo", "dataset=phantom"),
        ("train", "stage=sft", "dataset=phantom"),
        ("eval", "task=evaluate", "dataset=phantom"),
        ("eval", "task=predict", "image=a.png"),
        ("eval", "task=rl_readiness", "dataset=phantom"),
    ],
)
def test_questions_on_pictures_need_an_engine_that_takes_pictures(name, choice, asks, lacking):
    lacking("images")
    assert message_of(name, [choice], {}) == f"{asks}: rollout=native cannot take pictures; engines that can: hf, vllm"


def test_where_no_engine_can_the_message_says_so(monkeypatch):
    for engine in CAPABILITIES:
        monkeypatch.setitem(CAPABILITIES, engine, ALL - {"images"})
    assert message_of("train", ["stage=sft"], {}).endswith("engines that can: none")


def test_what_an_engine_has_is_not_refused():
    for engine, has in CAPABILITIES.items():
        require_engine(engine, dict.fromkeys(has, "anything"))


def test_the_loss_of_another_engines_completions_is_corrected_unless_the_user_says_no():
    corrected = TrainConfig.checked(composed("train", "stage=grpo", "rollout=vllm"))
    weigh = objective_of(corrected.objective, rollout=corrected.rollout).mismatch
    assert weigh.keywords == {"level": "token", "beyond": "truncate", "low": 0.0, "high": 2.0}
    off = TrainConfig.checked(changed("train", ["stage=grpo", "rollout=vllm"], {"rollout.correction": None}))
    assert objective_of(off.objective, rollout=off.rollout).mismatch is None
    own = TrainConfig.checked(composed("train", "stage=grpo"))
    assert objective_of(own.objective, rollout=own.rollout).mismatch is None


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("low", 1.5, "from 0 to 1: equal log-probs have weight 1"),
        ("high", 0.5, "at least 1: equal log-probs have weight 1"),
        ("level", "row", "one of token, sequence, geometric"),
    ],
)
def test_a_correction_out_of_range_is_refused(key, value, rule):
    message = message_of("train", ["stage=grpo", "rollout=vllm"], {f"rollout.correction.{key}": value})
    assert message.startswith(f"rollout.correction.{key}={value}: ")
    assert rule in message


@pytest.mark.medium
@pytest.mark.parametrize(
    ("name", "choices_of", "weight_sync", "rule"),
    [
        ("train", ["stage=sft"], "none", "reload, as adapter=full"),
        ("train", ["stage=sft"], "adapter", "reload, as adapter=full"),
        ("train", ["stage=sft", "adapter=lora"], "none", "adapter, as adapter=lora"),
        ("train", ["stage=sft", "adapter=lora"], "reload", "adapter, as adapter=lora"),
        ("eval", [], "adapter", "reload, as weights are merged for an evaluation"),
        ("eval", ["task=predict"], "adapter", "reload, as weights are merged for an evaluation"),
        ("eval", ["task=rl_readiness"], "adapter", "reload, as weights are merged for an evaluation"),
    ],
)
def test_a_server_gets_what_is_trained(name, choices_of, weight_sync, rule):
    message = message_of(name, [*choices_of, "rollout=vllm"], {"rollout.weight_sync": weight_sync})
    assert message == f"rollout.weight_sync={weight_sync}: {rule}"


@pytest.mark.parametrize("weight_sync", ["none", "reload"])
def test_an_evaluation_may_send_the_server_weights_or_find_them_there(weight_sync):
    values = {"rollout.weight_sync": weight_sync}
    assert EvalConfig.checked(changed("eval", ["rollout=vllm"], values)).rollout.weight_sync == weight_sync
