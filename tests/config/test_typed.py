"""Keys that are unknown, without a value or of a wrong type: refused by name, those of one kind together."""

import pytest
from composing import message_of

from pathvlm_r1.config import stage


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("stage.group_size", "four", "stage.group_size=four: expected a whole number (int), got str"),
        ("stage.group_size", "4", "stage.group_size=4: expected a whole number (int), got str"),
        ("stage.group_size", True, "stage.group_size=true: expected a whole number (int), got bool"),
        ("stage.group_size", 4.0, "stage.group_size=4.0: expected a whole number (int), got float"),
        ("stage.group_size", None, "stage.group_size=null: expected a whole number (int), got NoneType"),
        ("stage.beta", "0.04", "stage.beta=0.04: expected a finite number (float), got str"),
        ("stage.beta", False, "stage.beta=false: expected a finite number (float), got bool"),
        ("stage.beta", float("nan"), "stage.beta=nan: expected a finite number (float), got float"),
        ("stage.shuffle_rewards", 1, "stage.shuffle_rewards=1: expected true or false (bool), got int"),
        ("stage.arm", 3, "stage.arm=3: expected text (str), got int"),
        ("stage.split", "test", "stage.split=test: one of sft, rl"),
        ("stage.init", "sft", "stage.init=sft: one of auto, base, checkpoint"),
        ("stage.name", "gpro", "stage.name=gpro: one of pretrain, sft, grpo"),
        ("logger", 3, "logger=3: expected a group of keys whose name is one of csv, none, wandb, got int"),
        ("dataset.kind", "tcga", "dataset.kind=tcga: one of phantom, bccd"),
        ("dataset.splits", 3, "dataset.splits=3: expected a group of keys, got int"),
        ("logger.group", 3, "logger.group=3: expected text (str) or null, got int"),
        ("reward.missing", "zero", "reward.missing=zero: one of group_mean, drop_term, stop, paper"),
        ("reward.process", 1, "reward.process=1: expected a group of keys, got int"),
        (
            "judge.name",
            "gpt",
            "judge.name=gpt: one of oracle, none, rules, noisy, noisy_10, noisy_20, noisy_30, "
            "noisy_40, noisy_lenient_40, openai, panel",
        ),
        (
            "objective.surrogate.epsilon_low",
            "x",
            "objective.surrogate.epsilon_low=x: expected a finite number (float), got str",
        ),
        ("stage.arm", "${stage.foo}", "stage.arm: Interpolation key 'stage.foo' not found"),
    ],
)
def test_a_value_of_a_wrong_type_is_refused_with_the_right_one(key, value, message):
    assert message_of("train", [], {key: value}) == message


def test_wrong_types_are_listed_together():
    assert message_of("train", [], {"stage.group_size": "four", "dataset.seed": 0.5}) == (
        "2 keys of a wrong type:\n"
        "  dataset.seed=0.5: expected a whole number (int), got float\n"
        "  stage.group_size=four: expected a whole number (int), got str"
    )


def test_an_unknown_key_is_refused_with_the_nearest_and_the_valid_ones():
    assert message_of("train", ["adapter=lora"], {"adapter.drop_out": 0.1}) == (
        "adapter.drop_out is not a key; did you mean adapter.dropout? Keys of adapter: name, r, alpha, dropout, target"
    )
    assert message_of("report", [], {"xyz": 1}) == (
        "xyz is not a key. Keys of the top level: task, runs, out, seed, replicates"
    )
    assert message_of("train", [], {"trainer.max_step": 3}).startswith(
        "trainer.max_step is not a key; did you mean trainer.max_steps? Keys of trainer: accelerator, "
    )
    assert message_of("train", ["stage=pretrain"], {"stage.shares.answers": 0.0}) == (
        "stage.shares.answers is not a key; did you mean stage.shares.answer? "
        f"Keys of stage.shares: {', '.join(stage.EXERCISES)}"
    )


def test_unknown_keys_are_listed_together():
    assert message_of("train", [], {"rollout.batch": 1, "dataset.splits.train": 5, "judge.model": "x"}) == (
        "3 keys that nothing reads:\n"
        "  dataset.splits.train is not a key. Keys of dataset.splits: sft, rl, validation, test\n"
        "  judge.model is not a key. Keys of judge: name\n"
        "  rollout.batch is not a key. Keys of rollout: name, rows_per_batch, async_judge"
    )


def test_an_objective_takes_the_settings_of_its_functions_and_no_others():
    assert message_of("train", [], {"objective.surrogate.beta": 0.1, "objective.surrogate.epsilon": 0.1}) == (
        "2 keys that nothing reads:\n"
        "  objective.surrogate.beta is not a key. Keys of objective.surrogate: epsilon_low, epsilon_high, ratio_cap\n"
        "  objective.surrogate.epsilon is not a key; did you mean objective.surrogate.epsilon_low? "
        "Keys of objective.surrogate: epsilon_low, epsilon_high, ratio_cap"
    )
    average = "objective.average"
    assert message_of("train", [], {f"{average}._target_": "pathvlm_r1.grpo.constant_length"}) == (
        f"{average}.max_completion_tokens has no value: give it one, {average}.max_completion_tokens=…"
    )
    assert message_of("train", [], {"objective.advantage._target_": "pathvlm_r1.grpo.rloo"}) == (
        "objective.advantage._target_=pathvlm_r1.grpo.rloo: the path of a function, as in pathvlm_r1.grpo.clipped"
    )
    assert message_of("train", [], {"objective.surrogate._partial_": False}) == (
        "objective.surrogate._partial_=false: true: the step gives tensors"
    )
    assert message_of("train", [], {"objective.surrogate.ratio_cap": "x"}) == (
        "objective.surrogate.ratio_cap=x: expected a finite number (float) or null, got str"
    )


def test_values_that_are_missing_are_listed_together():
    missing = {"dataset.root": "???", "seed": "???"}
    assert message_of("train", ["dataset=bccd"], {"dataset.root": "???"}) == (
        "dataset.root has no value: give it one, dataset.root=…"
    )
    assert message_of("train", ["dataset=bccd"], missing) == (
        "2 keys without a value:\n"
        "  dataset.root has no value: give it one, dataset.root=…\n"
        "  seed has no value: give it one, seed=…"
    )
    assert message_of("train", ["~stage.beta", "~dataset.splits.rl", "~logger.project"], {}) == (
        "3 keys without a value:\n"
        "  dataset.splits.rl has no value: give it one, dataset.splits.rl=…\n"
        "  stage.beta has no value: give it one, stage.beta=…\n"
        "  logger.project has no value: give it one, logger.project=…"
    )
