"""The predicted peak of a step against what torch's profiler counts on the CPU, allocation by allocation."""

from contextlib import nullcontext

import pytest
import torch
from real_architecture import real_model
from tiny import ADAPTERS, PEFT_WARNING, tiny_encoder, tiny_policy
from torch.profiler import ProfilerActivity, profile

from pathvlm_r1.model import EncodedPrompt, EncodedRow, PromptGroup, StepSizes, predicted_peak, token_log_probs
from pathvlm_r1.model.nano import NANO_6M, random_model
from pathvlm_r1.rollout import Decoding, NativeEngine
from pathvlm_r1.stages.sft import supervised_loss

NANO = {"hidden": 128, "layers": 4, "vision_hidden": 96, "vision_layers": 4}  # conf/stage/pretrain.yaml
PROMPT = EncodedPrompt([40 + place % 50 for place in range(150)])
COMPLETIONS, COMPLETION = 6, 40
TOLERANCE = 0.15  # of what is kept and computed in a pass; weights, gradients and moments are counted exactly

pytestmark = [PEFT_WARNING, pytest.mark.filterwarnings("ignore:.*profiler:UserWarning")]


SIZES = {"nano": NANO, "nano_6m": NANO_6M}


def policy_of(model, adapter, *, is_twice, dtype=torch.float32, is_dropout_on=False):
    if is_twice:
        model.activation_checkpointing_enable({"use_reentrant": False})
    return tiny_policy(adapter, model=model.to(dtype), is_dropout_on=is_dropout_on).train()


def model_of(name):
    tokenizer = tiny_encoder().tokenizer
    return real_model(tokenizer) if name == "narrow" else random_model(tokenizer, **SIZES[name])


def measured(run):
    """The most bytes that live at once beyond those that lived before."""
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        run()
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == "[memory]"]
    level = peak = 0
    for event in sorted(events, key=lambda event: event.start_ns()):
        level += event.nbytes()
        peak = max(peak, level)
    return peak


def of_a_pass(policy, sizes, loss, autocast=None):
    """Measured and predicted, of a step's second pass, which finds the first one's gradients."""

    def run():
        with nullcontext() if autocast is None else torch.autocast("cpu", autocast):
            loss().backward()

    run()
    peak = predicted_peak(policy, sizes, device="cpu", autocast=autocast)
    return measured(run), peak.learning - peak.gradients


def of_grpo(policy, **settings):
    group = PromptGroup(PROMPT, tuple([40 + place] * COMPLETION for place in range(COMPLETIONS)))
    sizes = StepSizes(rows=2, row_tokens=group.length, scored_tokens=2 * COMPLETIONS * COMPLETION)
    return of_a_pass(policy, sizes, lambda: token_log_probs(policy, [group] * 2).log_probs.sum(), **settings)


@pytest.mark.parametrize("is_twice", [False, True], ids=["kept", "twice"])
@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize(
    "name",
    ["nano", pytest.param("nano_6m", marks=pytest.mark.medium), pytest.param("narrow", marks=pytest.mark.medium)],
)
def test_what_a_pass_of_grpo_takes_is_foretold(name, adapter, is_twice):
    found, told = of_grpo(policy_of(model_of(name), adapter, is_twice=is_twice))
    assert told == pytest.approx(found, rel=TOLERANCE)


@pytest.mark.parametrize("is_twice", [False, True], ids=["kept", "twice"])
def test_what_a_pass_in_mixed_precision_takes_is_foretold(is_twice):
    policy = policy_of(model_of("nano"), "lora", is_twice=is_twice, dtype=torch.bfloat16)
    found, told = of_grpo(policy, autocast=torch.bfloat16)
    assert told == pytest.approx(found, rel=TOLERANCE)


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_what_a_pass_of_sft_with_dropout_takes_is_foretold(adapter):
    policy = policy_of(model_of("nano"), adapter, is_twice=False, is_dropout_on=True)
    batch = tiny_encoder().batch([EncodedRow(PROMPT, [40] * COMPLETION)] * 5)
    sizes = StepSizes(rows=5, row_tokens=len(PROMPT.token_ids) + COMPLETION, scored_tokens=5 * COMPLETION)
    found, told = of_a_pass(policy, sizes, lambda: supervised_loss(policy, batch)[0])
    assert told == pytest.approx(found, rel=TOLERANCE)


def test_what_a_rollout_takes_is_foretold():
    policy, cap, group_size = policy_of(model_of("nano"), "full", is_twice=False), 96, 8
    engine, prompts = NativeEngine(end_ids=[-1], rows_per_batch=64), [PROMPT] * 4
    sizes = StepSizes(
        rows=1, row_tokens=1, scored_tokens=1, prompts_decoded=4, completions_decoded=4 * group_size,
        prompt_tokens=len(PROMPT.token_ids), completion_tokens=cap,
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    found = measured(lambda: engine.sample(policy, prompts, group_size, Decoding(cap, 1.0), generator))
    assert predicted_peak(policy, sizes, device="cpu").sampling == pytest.approx(found, rel=TOLERANCE)


@pytest.mark.parametrize("adapter", ADAPTERS)
def test_weights_gradients_and_moments_are_those_that_a_step_makes(adapter):
    policy = tiny_policy(adapter, torch.float32)
    trained = [parameter for parameter in policy.parameters() if parameter.requires_grad]
    optimiser = torch.optim.AdamW(trained)
    for parameter in trained:
        parameter.grad = torch.ones_like(parameter)
    optimiser.step()
    moments = [value for state in optimiser.state.values() for name, value in state.items() if name != "step"]
    peak = predicted_peak(policy, StepSizes(rows=1, row_tokens=8, scored_tokens=4), device="cpu")
    assert peak.gradients == sum(parameter.grad.nbytes for parameter in trained)
    assert peak.optimiser == sum(moment.nbytes for moment in moments)
    assert peak.weights == sum(tensor.nbytes for tensor in (*policy.parameters(), *policy.buffers()))
