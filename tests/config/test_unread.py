"""Keys that the chosen parts do not read: refused where they are typed, left out of what is recorded."""

import pytest
from composing import changed, composed

from pathvlm_r1.config import UNREAD_BY_STAGE, ConfigError, TrainConfig, recorded, refuse_unread


def refusal(name, *typed):
    """With which words typed overrides are refused."""
    with pytest.raises(ConfigError) as caught:
        refuse_unread(typed, composed(name, *typed))
    return str(caught.value)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("typed", "key", "reason"),
    [
        (["stage=sft", "objective=dr_grpo"], "objective", "stage=sft does not read it"),
        (["stage=sft", "objective.kl._partial_=true"], "objective.kl._partial_", "stage=sft does not read it"),
        (["stage=sft", "model.recipe.grpo.max_steps=3"], "model.recipe.grpo.max_steps", "stage=sft does not read it"),
        (["stage=sft", "rollout.async_judge=true"], "rollout.async_judge", "stage=sft does not read it"),
        (["stage=grpo", "evaluation=sampled"], "evaluation", "stage=grpo does not read it"),
        (["stage=pretrain", "reward=accuracy"], "reward", "stage=pretrain does not read it"),
        (["stage=sft", "stage.parent_seed=3"], "stage.parent_seed", "stage.init=base looks for no parent"),
        (["reward=accuracy", "judge=oracle"], "judge", "reward=accuracy has no term that a judge scores"),
        (["resume=outputs/x", "stage.beta=0.1"], "stage.beta", "resume=outputs/x goes on with that run's own "
         "configuration"),
    ],
)  # fmt: skip
def test_a_typed_key_that_a_training_does_not_read_is_refused_with_the_reason(typed, key, reason):
    assert refusal("train", *typed) == f"{key}: {reason}; leave it out"


@pytest.mark.medium
@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["runs=outputs", "model.checkpoint=x"], "model.checkpoint: runs=outputs says which models are evaluated, and"),
        (["runs=outputs", "output=y"], "output: runs=outputs says which models are evaluated, and where; leave it out"),
        (
            ["rollout=vllm", "rollout.weight_sync=none", "rollout.sync_folder=a"],
            "rollout.sync_folder: rollout.weight_sync=none sends the server no weights; leave it out",
        ),
        (["task=predict", "reward=accuracy"], "reward: task=predict does not read it; leave it out"),
        (["task=judge_audit", "run=x", "split=rl"], "split: run=x has its own; leave it out"),
        (["task=judge_audit", "completions=x", "output=y"], "output: task=judge_audit does not read it; leave it out"),
        (["task=overoptimisation", "runs=x", "dataset=bccd"], "dataset: task=overoptimisation does not read it; leave"),
        (["task=rl_readiness", "evaluation=sampled"], "evaluation: task=rl_readiness does not read it; leave it out"),
        (["task=rl_readiness", "output=x"], "output: task=rl_readiness does not read it; leave it out"),
        (["task=rl_readiness", "model.recipe.sft.max_steps=2"], "model.recipe.sft.max_steps: task=rl_readiness does"),
    ],
)
def test_a_typed_key_that_an_evaluation_does_not_read_is_refused_with_the_reason(typed, message):
    assert refusal("eval", *typed).startswith(message)


def test_all_such_keys_are_listed_together():
    assert refusal("train", "stage=grpo", "evaluation=sampled", "reward=accuracy", "judge=oracle") == (
        "2 keys that nothing reads:\n"
        "  evaluation: stage=grpo does not read it; leave it out\n"
        "  judge: reward=accuracy has no term that a judge scores; leave it out"
    )


def test_what_is_read_may_be_typed():
    typed = ["stage=grpo", "reward=dual", "judge=oracle", "objective=dr_grpo", "stage.parent_seed=3", "seed=1"]
    refuse_unread(typed, composed("train", *typed))
    refuse_unread(["resume=outputs/x"], composed("train", "resume=outputs/x"))
    readiness = ["task=rl_readiness", "reward=accuracy", "model.recipe.grpo.prompts_per_step=2"]
    refuse_unread(readiness, composed("eval", *readiness))
    refuse_unread(["runs=outputs", "evaluation=sampled"], composed("eval", "runs=outputs", "evaluation=sampled"))


@pytest.mark.parametrize("stage", list(UNREAD_BY_STAGE))
def test_a_record_has_the_groups_that_the_stage_reads_and_no_other(stage):
    config = TrainConfig.checked(changed("train", [f"stage={stage}"], {}))
    assert set(recorded(config)) == set(vars(config)) - set(UNREAD_BY_STAGE[stage])
