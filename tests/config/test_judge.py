"""The ranges of judges: each refusal names the key as it is typed, before anything is sent."""

import pytest
from composing import CONF, changed, composed, message_of
from hydra.errors import ConfigCompositionException

from pathvlm_r1.config import (
    JUDGE_LIMITS,
    ConfigError,
    EvalConfig,
    LocalJudgeConfig,
    OpenAIJudgeConfig,
    TrainConfig,
    refuse_unread,
    run,
)
from pathvlm_r1.config.rules import as_typed

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


@pytest.mark.medium
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


@pytest.mark.medium
def test_a_run_that_goes_on_may_be_given_other_limits_of_its_judge_and_nothing_else():
    allowed = ("resume=outputs/x", "judge=openai", "judge.max_cost=9", "judge.concurrency=2")
    refuse_unread(allowed, composed("train", *allowed))
    for typed in (("judge=oracle",), ("judge=openai", "judge.seed=1"), ("judge=openai", "seed=1")):
        with pytest.raises(
            ConfigError, match=f"{typed[-1].partition('=')[0]}: resume=outputs/x goes on with that run's"
        ):
            refuse_unread(("resume=outputs/x", *typed), composed("train", "resume=outputs/x", *typed))


def test_limits_are_keys_of_the_judge():
    keys = {*OpenAIJudgeConfig.__dataclass_fields__, *LocalJudgeConfig.__dataclass_fields__}
    assert set(JUDGE_LIMITS) < keys


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("model", "", "must not be empty"),
        ("image_size", 10, "at least 28 pixels a side"),
        ("max_tokens", 0, "at least 1"),
        ("rows_per_batch", 0, "at least 1"),
        ("max_missing_share", 1.5, "from 0 to 1: at 1 nothing ends a run"),
        ("precision", "int8", "one of bfloat16, float16, float32"),
        ("constrained", "yes", "expected true or false (bool), got str"),
    ],
)
def test_a_judge_in_this_process_has_ranges_of_its_own(key, value, rule):
    message = message_of("train", ["judge=local"], {f"judge.{key}": value})
    assert message.startswith(f"judge.{key}={as_typed(value)}: ")
    assert rule in message


@pytest.mark.medium
@pytest.mark.parametrize("judge", ["judge=openai", "judge=local"])
def test_supervised_training_asks_no_language_model(judge):
    typed = ("stage=sft", judge)
    with pytest.raises(ConfigError, match="judge: stage=sft asks no language model, as none chooses its weights"):
        refuse_unread(typed, composed("train", *typed))
    refuse_unread(("stage=grpo", judge), composed("train", "stage=grpo", judge))


@pytest.mark.parametrize("rate", [-0.1, 1.1])
@pytest.mark.parametrize("name", ["train", "eval"])
def test_an_error_rate_that_is_no_probability_is_refused(name, rate):
    key = "judge.errors.option_elimination.false_present"
    message = message_of(name, ["judge=noisy_10"], {key: rate})
    assert message == f"{key}={rate}: from 0 to 1, a probability"


def test_a_noisy_judge_has_a_seed_and_garbles_one_that_costs_nothing():
    assert message_of("train", ["judge=noisy"], {"judge.seed": -1}) == "judge.seed=-1: 0 or more, a seed"
    message = message_of("train", ["judge=noisy"], {"judge.judge": "openai"})
    assert message == "judge.judge=openai: one of oracle, rules"


@pytest.mark.parametrize(
    ("preset", "steps", "errors"),
    [
        ("noisy", (0.0, 0.0), (0.0, 0.0)),
        *((f"noisy_{percent}", (percent / 100,) * 2, (percent / 100,) * 2) for percent in (10, 20, 30, 40)),
        ("noisy_lenient_40", (0.4, 0.0), (0.0, 0.4)),
    ],
)
def test_a_preset_has_the_rates_of_its_name_and_is_recorded_under_it(preset, steps, errors):
    judge = TrainConfig.checked(composed("train", f"judge={preset}")).judge
    rates = [(rates.false_present, rates.false_absent) for rates in judge.errors.values()]
    assert rates == [steps] * 3 + [errors] * 3
    assert (judge.name, judge.judge, judge.seed) == (preset, "oracle", 0)


PANEL = ["judge=panel", "+judge@judge.members.paid=openai"]


@pytest.mark.medium
@pytest.mark.parametrize(
    ("choices", "values", "message"),
    [
        (["judge=panel", "~judge@judge.members.rules", "~judge@judge.members.noisy"], {},
         "judge.members=[oracle]: at least 2 judges: a panel of one is that judge; add one with "
         "+judge@judge.members.NAME=CHOICE"),
        (["judge=panel"], {"judge.quorum": 0}, "judge.quorum=0: from 1 to the 3 members"),
        (["judge=panel"], {"judge.quorum": 4}, "judge.quorum=4: from 1 to the 3 members"),
        (["judge=panel"], {"judge.tie": "random"}, "judge.tie=random: one of strict, lenient"),
        (["judge=panel"], {"judge.rule": "median"}, "judge.rule=median: one of majority, mean"),
        (["judge=panel"], {"judge.members.noisy.errors.definition_error.false_absent": 2},
         "judge.members.noisy.errors.definition_error.false_absent=2.0: from 0 to 1, a probability"),
        (["judge=panel"], {"judge.members.rules.name": "panel"}, "judge.members.rules.name=panel: one of oracle, none, "
         "rules, noisy, noisy_10, noisy_20, noisy_30, noisy_40, noisy_lenient_40, openai, local"),
        (PANEL, {"judge.members.paid.max_cost": -1}, "judge.members.paid.max_cost=-1.0: 0 or more, USD"),
        (PANEL, {"judge.members.paid.model": "own"}, "judge.members.paid.model=own: needs one price: "
         "judge.members.paid.prices='[{model: own, input: 2.5, output: 10.0}]'"),
    ],
)  # fmt: skip
def test_a_panel_and_its_members_are_refused_by_the_keys_that_are_typed(choices, values, message):
    assert message_of("train", choices, values) == message


def test_a_member_that_there_is_not_is_refused_with_those_that_there_are():
    with pytest.raises(ConfigCompositionException) as caught:
        composed("train", "judge=panel", "+judge@judge.members.third=wise")
    assert all(path.stem in str(caught.value) for path in (CONF / "judge").glob("*.yaml"))


@pytest.mark.medium
def test_supervised_training_asks_no_panel_with_a_language_model():
    with pytest.raises(ConfigError, match="judge: stage=sft asks no language model"):
        refuse_unread(("stage=sft", *PANEL), composed("train", "stage=sft", *PANEL))
    refuse_unread(("stage=sft", "judge=panel"), composed("train", "stage=sft", "judge=panel"))
    refuse_unread(PANEL, composed("train", *PANEL))


def test_training_is_refused_a_judge_of_findings_on_a_dataset_without_and_evaluation_goes_on(monkeypatch):
    monkeypatch.setitem(run.JUDGES_BY_DATASET, "phantom", ())
    assert EvalConfig.checked(composed("eval")).judge.name == "oracle"
    assert message_of("train", [], {}) == (
        "judge=oracle: cannot score the process term of reward=dual on dataset=phantom; "
        "judges that can: rules, openai, local. Or take a reward without it: reward=accuracy_format"
    )
