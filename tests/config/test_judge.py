"""The ranges of a judge that is asked over a network: each refusal names the key, before anything is sent."""

import pytest
from composing import changed, composed, message_of

from pathvlm_r1.config import JUDGE_LIMITS, ConfigError, OpenAIJudgeConfig, TrainConfig, refuse_unread

RANGES = [
    ("url", "localhost:8000/v1", "an address that begins with http:// or https://"),
    ("model", " ", "must not be empty"),
    ("model", "gpt-9", "needs one price: judge.prices='[{model: gpt-9, input: 2.5, output: 10.0}]'"),
    ("prompt", "", "must not be empty"),
    ("cache", "", "must not be empty"),
    ("reference", "told", "one of hidden, shown, context"),
    ("max_tokens_key", "tokens", "one of max_tokens, max_completion_tokens"),
    ("image_size", 27, "at least 28 pixels a side"),
    ("image_tokens", -1, "0 or more"),
    ("temperature", -0.1, "0 or more: 0 is greedy; null leaves it to the server"),
    ("seed", -1, "0 or more, or null: none is sent"),
    ("max_tokens", 0, "at least 1"),
    ("concurrency", 0, "at least 1"),
    ("attempts", 0, "at least 1"),
    ("max_failures", 0, "at least 1"),
    ("timeout_seconds", 0.0, "above 0"),
    ("max_wait_seconds", 0.0, "above 0"),
    ("backoff_seconds", -1.0, "0 or more"),
    ("requests_per_minute", 0.0, "above 0, or null: no limit"),
    ("max_cost", -1.0, "0 or more, USD"),
    ("max_missing_share", 1.1, "from 0 to 1: at 1 nothing ends a run"),
    ("max_missing_share", -0.1, "from 0 to 1: at 1 nothing ends a run"),
]


@pytest.mark.parametrize(("key", "value", "rule"), RANGES)
@pytest.mark.parametrize("name", ["train", "eval"])
def test_a_value_of_the_judge_out_of_range_is_refused(name, key, value, rule):
    typed = "''" if value == "" else value
    assert message_of(name, ["judge=openai"], {f"judge.{key}": value}) == f"judge.{key}={typed}: {rule}"


def test_a_price_is_not_negative():
    prices = [{"model": "gpt-4o-2024-08-06", "input": -1, "output": 1}]
    message = message_of("train", ["judge=openai"], {"judge.prices": prices})
    assert message == "judge.prices.input=-1.0: 0 or more, USD per million tokens"


def test_a_key_typed_in_place_of_its_variable_is_refused_and_not_repeated():
    message = message_of("train", ["judge=openai"], {"judge.api_key_env": "sk-12345"})
    assert "the name of an environment variable" in message
    assert "12345" not in message


def test_a_server_of_ones_own_needs_a_price_of_nothing_and_no_key():
    values = {
        "judge.model": "own",
        "judge.prices": [{"model": "own", "input": 0, "output": 0}],
        "judge.api_key_env": None,
    }
    checked = TrainConfig.checked(changed("train", ["judge=openai"], values))
    assert (checked.judge.price.input, checked.judge.api_key_env) == (0.0, None)


def test_a_run_that_goes_on_may_be_given_other_limits_of_its_judge_and_nothing_else():
    allowed = ("resume=outputs/x", "judge=openai", "judge.max_cost=9", "judge.concurrency=2")
    refuse_unread(allowed, composed("train", *allowed))
    for typed in (("judge=oracle",), ("judge=openai", "judge.seed=1"), ("judge=openai", "seed=1")):
        with pytest.raises(
            ConfigError, match=f"{typed[-1].partition('=')[0]}: resume=outputs/x goes on with that run's"
        ):
            refuse_unread(("resume=outputs/x", *typed), composed("train", "resume=outputs/x", *typed))


def test_limits_are_keys_of_the_judge():
    assert set(JUDGE_LIMITS) < set(OpenAIJudgeConfig.__dataclass_fields__)


def test_supervised_training_asks_no_judge_that_costs_money():
    typed = ("stage=sft", "judge=openai")
    with pytest.raises(ConfigError, match="judge: stage=sft asks no judge that costs money"):
        refuse_unread(typed, composed("train", *typed))
    refuse_unread(("stage=grpo", "judge=openai"), composed("train", "stage=grpo", "judge=openai"))
