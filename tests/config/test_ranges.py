"""Values out of range and groups that do not go together: each refusal names the key and what would be valid."""

import pytest
from composing import ENTRY_POINTS, changed, message_of

from pathvlm_r1.config import TrainConfig, run

RANGES = [
    ("stage.group_size", 1, "at least 2: a group of one has no peers"),
    (
        "stage.minibatches",
        3,
        "must divide stage.prompts_per_step * stage.group_size = 64: one of 1, 2, 4, 8, 16, 32, 64",
    ),
    ("stage.minibatches", 0, "at least 1"),
    ("stage.prompts_per_step", 0, "at least 1"),
    ("stage.num_iterations", 0, "at least 1"),
    ("stage.tokens_per_forward", 100, "at least 256, or null: found before the first step"),
    ("stage.reference_every", -1, "0 or more: 0 never does"),
    ("stage.resample_rounds", -1, "0 or more: 0 never does"),
    ("stage.entropy_bonus", -0.1, "0 or more, per nat"),
    ("stage.top_entropy", 0.0, "above 0 and at most 1: 1 masks none"),
    ("stage.max_steps", 0, "at least 1"),
    ("stage.learning_rate", 0.0, "above 0"),
    ("stage.gradient_clip", -1.0, "above 0"),
    ("stage.weight_decay", -0.1, "0 or more"),
    ("stage.beta", -0.04, "0 or more: it weighs the KL penalty"),
    ("stage.temperature", 0.0, "above 0: a greedy group is all alike"),
    (
        "stage.top_p",
        0.9,
        "1, which is off: the loss follows the whole distribution, and completions of a part of it would bias it",
    ),
    (
        "stage.top_k",
        50,
        "0, which is off: the loss follows the whole distribution, and completions of a part of it would bias it",
    ),
    (
        "stage.min_p",
        0.1,
        "0, which is off: the loss follows the whole distribution, and completions of a part of it would bias it",
    ),
    ("stage.samples_every", -1, "0 or more: 0 logs no tables"),
    ("stage.signal_warning_steps", 0, "at least 1"),
    ("stage.cap_warning_share", -0.1, "from 0 to 1: at 1 nothing is warned of"),
    ("stage.cap_warning_share", 1.1, "from 0 to 1: at 1 nothing is warned of"),
    ("stage.parent_seed", -1, "0 or more, a seed"),
    ("stage.arm", "", "must not be empty"),
    ("trainer.max_steps", 0, "a whole number, at least 1 optimiser step"),
    ("trainer.max_steps", None, "a whole number, at least 1 optimiser step"),
    (
        "trainer.gradient_clip_val",
        1.0,
        "use stage.gradient_clip: Lightning cannot clip under manual optimisation",
    ),
    (
        "trainer.accumulate_grad_batches",
        4,
        "use stage.rows_per_forward or stage.tokens_per_forward: Lightning cannot do it here",
    ),
    ("seed", -1, "0 or more, a seed"),
    ("output", "", "must not be empty"),
    ("logger.project", "", "must not be empty"),
    ("rollout.rows_per_batch", 0, "at least 1 completion"),
    ("evaluation.temperature", -0.1, "0 or more: 0 is greedy"),
    ("evaluation.top_p", 0.0, "above 0 and at most 1: 1 keeps every token"),
    ("evaluation.top_p", 1.1, "above 0 and at most 1: 1 keeps every token"),
    ("evaluation.top_p", 0.9, "1, which is off: evaluation.temperature=0 takes the likeliest token in any case"),
    ("evaluation.top_k", -1, "0 or more: 0 keeps every token"),
    ("evaluation.top_k", 50, "0, which is off: evaluation.temperature=0 takes the likeliest token in any case"),
    ("evaluation.min_p", -0.1, "from 0 to 1: 0 keeps every token"),
    ("evaluation.min_p", 1.1, "from 0 to 1: 0 keeps every token"),
    ("evaluation.min_p", 0.1, "0, which is off: evaluation.temperature=0 takes the likeliest token in any case"),
    ("evaluation.samples", 0, "at least 1 decode per question"),
    ("evaluation.replicates", 0, "at least 1 bootstrap resample"),
    ("reward.accuracy.weight", -1.0, "0 or more: a negative weight would reward the opposite"),
    ("reward.process.coefficient", 0.0, "above 0 and at most 1: what one missing step or one error costs"),
    ("reward.process.coefficient", 1.5, "above 0 and at most 1: what one missing step or one error costs"),
    ("model.max_completion_tokens", 7, "at least 8: a shorter completion cannot hold an answer"),
    ("model.max_pixels", 783, "at least 784: 28 x 28 is one token"),
    ("model.checkpoint", "", "must not be empty"),
    ("model.recipe.sft.learning_rate", 0.0, "above 0"),
    ("model.recipe.grpo.max_steps", 0, "at least 1"),
    ("dataset.seed", -1, "0 or more, a seed"),
    ("dataset.image_size", 20, "at least 28: 28 x 28 is one token"),
    ("dataset.modality", "mri", "one of histology, ct, dermoscopy, fundus, oct"),
    ("dataset.splits.test", 0, "at least 1 question"),
]


def typed(value: object) -> str:
    return {None: "null", "": "''"}.get(value, str(value))


@pytest.mark.medium
@pytest.mark.parametrize(("key", "value", "rule"), RANGES)
def test_a_value_out_of_range_is_refused_with_its_key_and_the_rule(key, value, rule):
    assert message_of("train", [], {key: value}) == f"{key}={typed(value)}: {rule}"


OTHER_GROUPS = [
    ("stage=sft", "stage.validation_every", 0, "at least 1"),
    ("stage=sft", "stage.validation_samples", 0, "at least 1"),
    ("stage=grpo", "stage.validation_every", 0, "at least 1"),
    ("stage=grpo", "stage.validation_samples", 0, "at least 1"),
    ("stage=sft", "stage.rows_per_step", 0, "at least 1"),
    ("stage=sft", "stage.warmup_share", 1.0, "from 0 to below 1, a share of stage.max_steps"),
    ("stage=pretrain", "stage.warmup_share", -0.1, "from 0 to below 1, a share of stage.max_steps"),
    ("stage=pretrain", "stage.pictures", 0, "at least 1"),
    ("stage=pretrain", "stage.vocabulary_size", 277, "at least 278: 256 bytes and 22 special tokens"),
    ("stage=pretrain", "stage.architecture.layers", 0, "at least 1"),
    ("stage=pretrain", "stage.architecture.hidden", 100, "a multiple of 32, the width of a head"),
    ("stage=pretrain", "stage.look_up.max_steps", 0, "at least 1"),
    ("stage=pretrain", "stage.look_up.rehearsed", 0, "at least 1"),
    ("stage=pretrain", "stage.architecture.vision_hidden", 100, "a multiple of 24, the width of a head"),
    ("adapter=lora", "adapter.r", 0, "at least 1, the rank of an adapter"),
    ("adapter=lora", "adapter.alpha", 0, "at least 1: alpha / r scales what an adapter adds"),
    ("adapter=lora", "adapter.dropout", 1.0, "from 0 to below 1"),
    ("adapter=lora", "adapter.target", "language_model.(q", "a regular expression over names of layers"),
    (
        "adapter=lora",
        "adapter.target",
        "q_proj",
        "must name language_model: a bare suffix would match the vision tower's layers too",
    ),
    ("rollout=vllm", "rollout.url", "localhost:8000", "an address that begins with http:// or https://"),
    ("rollout=vllm", "rollout.model", "", "must not be empty"),
    ("rollout=vllm", "rollout.rows_per_batch", 0, "at least 1 completion"),
    ("rollout=vllm", "rollout.timeout_seconds", 0.0, "above 0"),
    ("rollout=vllm", "rollout.attempts", 0, "at least 1"),
    ("rollout=vllm", "rollout.sync_folder", " ", "must not be empty"),
    ("rollout=vllm", "rollout.max_mismatch", 0.0, "above 0"),
    ("rollout=vllm", "rollout.weight_sync", "nccl", "one of none, adapter, reload"),
    ("dataset=bccd", "dataset.rl_share", 1.0, "between 0 and 1: SFT and RL both need some"),
    ("dataset=bccd", "dataset.root", "", "must not be empty"),
]


@pytest.mark.medium
@pytest.mark.parametrize(("choice", "key", "value", "rule"), OTHER_GROUPS)
def test_so_is_one_of_another_choice(choice, key, value, rule):
    assert message_of("train", [choice], {key: value}) == f"{key}={typed(value)}: {rule}"


def test_rollouts_are_not_sampled_ahead_where_they_may_be_sampled_anew():
    assert message_of("train", ["stage=grpo"], {"rollout.async_judge": True, "stage.resample_rounds": 2}) == (
        "rollout.async_judge=true: false beside stage.resample_rounds, which sample anew once the rewards are known"
    )


def test_shares_are_not_negative_and_sum_to_one():
    assert message_of("train", [], {"dataset.style_shares.terse": 0.3}) == (
        "dataset.style_shares={terse: 0.3, partial: 0.55, complete: 0.35}: shares sum to 1, these to 1.2"
    )
    assert message_of("train", [], {"dataset.style_shares": {"terse": -1, "partial": 1, "complete": 1}}) == (
        "dataset.style_shares={terse: -1.0, partial: 1.0, complete: 1.0}: every share is 0 or more"
    )
    assert message_of("train", ["stage=pretrain"], {"stage.shares.answer": 0.26}).endswith("these to 1.1")
    assert message_of("train", ["dataset=bccd"], {"dataset.style_shares.terse": 0}).endswith("these to 0.6")


def test_some_term_of_the_reward_has_a_weight():
    weights = {"reward.accuracy.weight": 0, "reward.format.weight": 0}
    assert message_of("train", ["reward=accuracy_format"], weights) == (
        "reward.*.weight={accuracy: 0.0, format: 0.0}: at least one term needs a weight above 0"
    )


def test_a_stage_goes_on_from_trained_weights_only():
    rule = "needs a folder of trained weights: give model.checkpoint=…, or start with stage.init=base"
    assert message_of("train", [], {"stage.init": "checkpoint"}) == f"stage.init=checkpoint: {rule}"
    assert message_of("train", ["model=nano_6m"], {"stage.init": "checkpoint"}) == f"stage.init=checkpoint: {rule}"
    values = {"stage.init": "checkpoint", "model.checkpoint": "outputs/a/weights"}
    assert TrainConfig.checked(changed("train", [], values)).stage.init == "checkpoint"


def test_features_are_not_kept_of_a_vision_tower_that_changes_them():
    values = {"adapter.train_vision": True, "model.feature_folder": "features"}
    rule = "null beside adapter.train_vision=true, which changes the features"
    assert message_of("train", [], values) == f"model.feature_folder=features: {rule}"
    values["adapter.train_vision"] = False
    assert TrainConfig.checked(changed("train", [], values)).model.feature_folder == "features"
    assert message_of("train", [], {"model.feature_folder": " "}).startswith("model.feature_folder=")


@pytest.mark.medium
def test_a_base_checkpoint_is_made_of_nano_with_all_its_weights():
    choices_of = ["stage=pretrain", "model=qwen2_5_vl_3b"]
    assert message_of("train", choices_of, {}) == "model=qwen2_5_vl_3b: stage=pretrain needs nano"
    assert message_of("train", ["stage=pretrain", "adapter=lora"], {}) == "adapter=lora: stage=pretrain needs full"


@pytest.mark.parametrize("name", ["train", "eval"])
def test_the_process_term_needs_a_judge_that_can_score_the_dataset(name):
    assert message_of(name, [], {"judge.name": "none"}) == (
        "judge=none: cannot score the process term of reward=dual on dataset=phantom; "
        "judges that can: oracle, rules, openai, local. Or take a reward without it: reward=accuracy_format"
    )
    without = changed(name, ["reward=accuracy_format"], {"judge.name": "none"})
    assert ENTRY_POINTS[name].checked(without).judge.name == "none"


@pytest.mark.medium
def test_a_judge_that_looks_itself_scores_any_dataset(monkeypatch):
    monkeypatch.setitem(run.JUDGES_BY_DATASET, "phantom", ())
    for judge in ("openai", "rules", "local"):
        assert TrainConfig.checked(changed("train", [f"judge={judge}"], {})).judge.name == judge


@pytest.mark.medium
@pytest.mark.parametrize(
    ("choice", "key"),
    [("noisy_10", "judge.judge=oracle"), ("panel", "judge.members.oracle=oracle, judge.members.noisy")],
)
def test_a_judge_that_relies_on_the_oracle_scores_what_the_oracle_can(choice, key, monkeypatch):
    assert TrainConfig.checked(changed("train", [f"judge={choice}"], {})).judge.name == choice
    monkeypatch.setitem(run.JUDGES_BY_DATASET, "phantom", ())
    message = message_of("train", [f"judge={choice}"], {})
    assert message.startswith(key)
    assert (
        "cannot score the process term of reward=dual on dataset=phantom; judges that can: rules, openai, local"
        in message
    )
    of_rules = {
        "noisy_10": {"judge.judge": "rules"},
        "panel": {"judge.members.oracle.name": "rules", "judge.members.noisy.judge": "rules"},
    }
    assert TrainConfig.checked(changed("train", [f"judge={choice}"], of_rules[choice])).judge.name == choice


def test_the_papers_fallback_is_refused_where_each_term_is_standardised_by_itself():
    rule = "group_mean, drop_term or stop: this objective takes each term by itself, and a missing one as 0 there"
    values = {"reward.missing": "paper"}
    assert message_of("train", ["objective=gdpo"], values) == f"reward.missing=paper: {rule}"
    assert TrainConfig.checked(changed("train", ["objective=grpo"], values)).reward.missing == "paper"


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"options": ["a"]}, "options=[a]: from 2 to 9 options"),
        ({"options": list("abcdefghij")}, "options=[a, b, c, d, e, f, g, h, i, j]: from 2 to 9 options"),
        ({"options": ["a", "a"]}, "options=[a, a]: options differ, none is empty"),
        ({"options": "a"}, "options=a: expected a list, options='[…,…]', got str"),
        ({"options": ["a", 3]}, "options[1]=3: expected text (str), got int"),
        ({"question": " "}, "question= : must not be empty"),
        ({"image": ""}, "image='': must not be empty"),
    ],
)
def test_a_question_has_a_picture_a_text_and_options(values, message):
    assert message_of("eval", ["task=predict"], values) == message


@pytest.mark.parametrize(
    ("key", "value", "rule"),
    [
        ("n", 0, "at least 1"),
        ("group_size", 1, "at least 2: a group of one has no peers"),
        ("temperature", 0.0, "above 0: a greedy group is all alike"),
        ("prompts_per_step", 0, "at least 1"),
        ("replicates", 0, "at least 1"),
        ("out", " ", "must not be empty; null writes no file"),
        ("seed", -1, "0 or more, a seed"),
        ("split", "train", "one of sft, rl, validation, test, development"),
    ],
)
def test_a_check_before_grpo_has_ranges_of_its_own(key, value, rule):
    assert message_of("eval", ["task=rl_readiness"], {key: value}) == f"{key}={value}: {rule}"


def test_a_check_before_grpo_needs_a_judge_too_and_knows_no_other_tasks_keys():
    refused = message_of("eval", ["task=rl_readiness"], {"judge.name": "none"})
    assert refused.startswith("judge=none: cannot score the process term")
    assert "runs is not a key" in message_of("eval", ["task=rl_readiness"], {"runs": "outputs"})


def test_an_evaluation_has_one_control_at_a_time():
    assert message_of("eval", [], {"blank_images": True, "shuffled_images": True}) == (
        "shuffled_images=true: not together with blank_images=true"
    )
    splits = "sft, rl, validation, test, development, sealed_test"
    assert message_of("eval", [], {"split": "train"}) == f"split=train: one of {splits}"


@pytest.mark.parametrize(
    ("name", "key", "message"),
    [
        ("report", "replicates", "replicates=0: at least 1"),
        ("data", "n", "n=0: at least 1"),
        ("eval", "seed", "seed=-1: 0 or more, a seed"),
        ("report", "seed", "seed=-1: 0 or more, a seed"),
        ("report", "runs", "runs='': must not be empty"),
        ("data", "out", "out='': must not be empty"),
        ("eval", "output", "output='': must not be empty"),
    ],
)
def test_the_other_entry_points_have_ranges_too(name, key, message):
    value = {"replicates": 0, "n": 0, "seed": -1}.get(key, "")
    assert message_of(name, [], {key: value}) == message
