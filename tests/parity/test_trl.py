"""One GRPO step of `trl.GRPOTrainer` and one of ours, on the same weights, pictures, completions and rewards."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from types import MappingProxyType

import pytest
import torch
from datasets import Dataset
from shipped import shipped
from tiny import Noise, as_sampled, perturbed, tiny_encoder, tiny_model, tiny_policy
from transformers import Qwen2_5_VLForConditionalGeneration, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from pathvlm_r1.grpo import (
    Tokens,
    Totals,
    batch_relative_advantages,
    centred_advantages,
    decoupled_total,
    entropy_floor,
    group_relative_advantages,
    whole_step,
)
from pathvlm_r1.model import token_log_probs
from pathvlm_r1.rollout import Rollout

GROUP_SIZE = 4
TEMPERATURE = 0.7
BETA = 0.04
TOLERANCE = 1e-5  # relative, in float32; at ratio 1 the surrogate cancels to 0 and beta k3 is what is left of the loss
QUESTIONS = ["Which grade fits?", "Which grade fits this picture, and which of its findings says so?"]
PICTURES = {"pictures": [Noise(56, 56, 1), Noise(140, 84, 2)], "text": [None, None]}
COMPLETIONS = [
    [[7 + b, 30 + g, *range(40, 40 + (3 * b + 2 * g) % 7)] for g in range(GROUP_SIZE)] for b in range(len(QUESTIONS))
]
REWARDS = [[0.1, 1.3, 0.7, 2.9], [1.0, 0.0, 0.3, 1.0]]
SECOND_REWARDS = [[0.0, 0.02, 0.01, 0.0], [0.03, 0.0, 0.0, 0.01]]
EVERYTHING = 10_000  # tokens: one pass


@dataclass(frozen=True)
class Case:
    """The same objective in the words of both."""

    objective: str  # file of conf/objective/
    theirs: Mapping[str, object]
    surrogate: Mapping[str, float] = field(default_factory=dict)
    top_entropy: float = 1.0
    entropy_bonus: float = 0.0
    has_two_rewards: bool = False
    advantages: object = group_relative_advantages
    accumulation: int = 1
    tokens: int = EVERYTHING  # of a pass of ours
    cancelled: float = 0.0  # size of what cancels in the loss: rounding is relative to it

    def __post_init__(self) -> None:
        object.__setattr__(self, "theirs", MappingProxyType({"loss_type": "grpo", "epsilon": 0.2, **self.theirs}))


GSPO = {"importance_sampling_level": "sequence", "epsilon": 3e-3, "epsilon_high": 4e-3}
CASES = {
    "grpo": Case("grpo", {}),
    "grpo, accumulated": Case("grpo", {}, accumulation=4, tokens=150),
    "bnpo": Case("bnpo", {"loss_type": "bnpo"}),
    "dapo": Case("dapo", {"loss_type": "dapo", "epsilon_high": 0.28}),
    "dapo, accumulated": Case("dapo", {"loss_type": "dapo", "epsilon_high": 0.28}, accumulation=2, tokens=150),
    "dr_grpo": Case("dr_grpo", {"loss_type": "dr_grpo"}),
    "dr_grpo, accumulated": Case("dr_grpo", {"loss_type": "dr_grpo"}, accumulation=4),
    "cispo": Case("cispo", {"loss_type": "cispo", "epsilon_high": 1.1}, {"ratio_cap": 1.1}),
    "gspo": Case("gspo", GSPO, {"epsilon_low": 3e-3, "epsilon_high": 4e-3}),
    "sapo": Case("sapo", {"loss_type": "sapo"}, cancelled=0.5),  # 2 A at ratio 1, and advantages sum to 0
    "two-sided clip": Case("grpo", {"delta": 1.25}, {"ratio_cap": 1.25}),
    "top entropy": Case("grpo", {"top_entropy_quantile": 0.4}, top_entropy=0.4, cancelled=0.1),  # signs of A
    "entropy bonus": Case("grpo", {"entropy_coef": 0.05}, entropy_bonus=0.05),
    "batch std": Case("grpo", {"scale_rewards": "batch"}, advantages=batch_relative_advantages),
    "mean only": Case("grpo", {"scale_rewards": "none"}, advantages=centred_advantages),
    "decoupled": Case(
        "gdpo", {"multi_objective_aggregation": "normalize_then_sum"}, has_two_rewards=True,
        advantages=batch_relative_advantages,
    ),
}  # fmt: skip

pytestmark = pytest.mark.filterwarnings(
    "ignore:`gradient_checkpointing` is deprecated:FutureWarning"  # trl 1.16's default
)


class TheirStep(GRPOTrainer):
    """TRL's trainer with recorded completions, and old log-probs that are those of the reference if so asked."""

    def __init__(self, *args, is_off_policy, **settings):
        super().__init__(*args, **settings)
        self.is_off_policy = is_off_policy
        self.loss_sum, self.passes = 0.0, 0

    def _generate_single_turn(self, prompt_ids, *_):
        ours = [prompt.token_ids for prompt in self.our_prompts]
        taken = [0] * len(ours)
        completions = []
        for ids in prompt_ids:
            b = ours.index(list(ids))  # the tokens of a prompt are the same on both sides
            completions.append(list(COMPLETIONS[b][taken[b]]))
            taken[b] += 1
        assert taken == [GROUP_SIZE] * len(ours)
        return completions, None

    def _compute_loss(self, model, inputs):
        if self.is_off_policy:
            inputs = {**inputs, "old_per_token_logps": inputs["ref_per_token_logps"]}
        else:
            assert inputs.get("old_per_token_logps") is None
        loss = super()._compute_loss(model, inputs)
        self.loss_sum += float(loss.detach())
        self.passes += 1
        return loss


class Gradients(TrainerCallback):
    def on_pre_optimizer_step(self, *_, model, **__):
        self.found = {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def reward_by_tokens(*, completion_ids, **_):
    return looked_up(REWARDS, completion_ids)


def second_reward_by_tokens(*, completion_ids, **_):
    return looked_up(SECOND_REWARDS, completion_ids)


def looked_up(rewards, completion_ids):
    known = {tuple(COMPLETIONS[b][g]): rewards[b][g] for b in (0, 1) for g in range(GROUP_SIZE)}
    return [known[tuple(ids)] for ids in completion_ids]


def policy_of(folder):
    """The reference's weights, moved: neither the divergence is 0 nor, with its log-probs as the old ones, log r."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return perturbed(tiny_policy("vision", model=model, temperature=TEMPERATURE, is_suppressing=False), std=0.01)


def theirs(folder, pictures, case, *, is_off_policy):
    rows = {"prompt": [[{"role": "user", "content": text}] for text in QUESTIONS]}
    if pictures[0] is not None:
        rows["image"] = [picture.load() for picture in pictures]
    defaults = {"scale_rewards": "group", "epsilon": 0.2, "loss_type": "grpo"}
    settings = GRPOConfig(
        **(defaults | case.theirs),
        output_dir=str(folder / "out"), use_cpu=True, bf16=False, gradient_checkpointing=False, max_grad_norm=0,
        learning_rate=0, shuffle_dataset=False, report_to="none", save_strategy="no", logging_strategy="no",
        disable_tqdm=True, max_steps=1, per_device_train_batch_size=2 * GROUP_SIZE // case.accumulation,
        gradient_accumulation_steps=case.accumulation, num_generations=GROUP_SIZE, max_completion_length=16,
        temperature=TEMPERATURE, top_p=1.0, top_k=0, repetition_penalty=1.0, beta=BETA, use_bias_correction_kl=False,
        disable_dropout=True,
    )  # fmt: skip
    callback = Gradients()
    trainer = TheirStep(
        policy_of(folder).model, args=settings,
        reward_funcs=[reward_by_tokens, second_reward_by_tokens][: 1 + case.has_two_rewards],
        train_dataset=Dataset.from_dict(rows),
        processing_class=tiny_encoder().processor, callbacks=[callback], is_off_policy=is_off_policy,
    )  # fmt: skip
    trainer.our_prompts = our_prompts(pictures)
    trainer.train()
    assert trainer.passes == case.accumulation
    return trainer.loss_sum, callback.found


def our_prompts(pictures):
    several = [[] if picture is None else [picture] for picture in pictures]
    return tuple(tiny_encoder().prompt(text, images) for text, images in zip(QUESTIONS, several, strict=True))


def ours(folder, pictures, case, *, is_off_policy, change=lambda tokens: tokens):
    policy = policy_of(folder)
    kept = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    reference = tiny_policy("full", model=kept, temperature=TEMPERATURE, is_suppressing=False)
    rollout = Rollout(our_prompts(pictures), tuple(tuple(as_sampled(ids) for ids in group) for group in COMPLETIONS))
    advantages = our_advantages(case)
    (minibatch,) = rollout.minibatches(advantages, torch.ones_like(advantages, dtype=torch.bool), 1)
    totals, shares = our_totals(policy, minibatch, case), []
    objective = replace(shipped(case.objective, **case.surrogate)[0], entropy_bonus=case.entropy_bonus)
    if case.objective == "dr_grpo":
        objective = replace(objective, average=partial(objective.average.func, max_completion_tokens=16))
    for batch in minibatch.micro_batches(case.tokens):
        tokens = our_tokens(policy, reference, batch, is_off_policy=is_off_policy)
        shares.append(objective(change(tokens), totals, beta=BETA))
        shares[-1].loss.backward()
    result = whole_step([share.detached() for share in shares])
    return result, {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}


def our_advantages(case):
    if not case.has_two_rewards:
        return case.advantages(torch.tensor(REWARDS))
    terms = torch.tensor([REWARDS, SECOND_REWARDS], dtype=torch.float64)
    return case.advantages(decoupled_total(terms, torch.ones(2))).float()


def our_totals(policy, minibatch, case):
    totals = Totals(len(minibatch.rows), minibatch.counted_tokens)
    if case.top_entropy == 1:
        return totals
    with torch.no_grad():
        scored = [token_log_probs(policy, batch.groups) for batch in minibatch.micro_batches(EVERYTHING)]
    entropies = torch.cat([passed.entropy[passed.mask] for passed in scored])
    floor = entropy_floor(entropies, case.top_entropy)
    return replace(totals, entropy_floor=floor, top_tokens=int((entropies >= floor).sum()))


def our_tokens(policy, reference, batch, *, is_off_policy):
    current = token_log_probs(policy, batch.groups, with_entropy_gradient=True)
    with torch.no_grad():
        kept = token_log_probs(reference, batch.groups).log_probs
    return Tokens(
        log_probs=current.log_probs, old_log_probs=kept if is_off_policy else current.log_probs.detach(),
        advantages=batch.advantages, mask=current.mask, reference_log_probs=kept, entropy=current.entropy,
    )  # fmt: skip


def differences(our_gradients, their_gradients):
    assert our_gradients.keys() == their_gradients.keys()
    return {
        name: float((our_gradients[name] - value).norm() / value.norm().clamp(min=1e-30))
        for name, value in their_gradients.items()
    }


@pytest.fixture
def folder(tmp_path):
    torch.manual_seed(0)  # TRL permutes rows by the global generator
    tiny_model(torch.float32).save_pretrained(tmp_path)
    return tmp_path


def assert_agrees(folder, pictures, case, *, is_off_policy):
    their_loss, their_gradients = theirs(folder, PICTURES[pictures], case, is_off_policy=is_off_policy)
    result, our_gradients = ours(folder, PICTURES[pictures], case, is_off_policy=is_off_policy)
    assert result.means["kl"] > 1e-3
    by_tensor = differences(our_gradients, their_gradients)
    relative = abs(float(result.loss) - their_loss) / max(abs(their_loss), case.cancelled)
    assert any("visual" in name for name in by_tensor) == (pictures == "pictures")
    assert relative <= TOLERANCE
    assert max(by_tensor.values()) <= TOLERANCE, sorted(by_tensor.items(), key=lambda item: -item[1])[:5]
    return result


@pytest.mark.parametrize("name", CASES)
def test_loss_and_every_gradient_agree_with_trl_off_policy(folder, name):
    result = assert_agrees(folder, "pictures", CASES[name], is_off_policy=True)
    assert result.largest["ratio_max"] > (1.0 if "gspo" in name else 1.2)
    if name not in ("sapo", "cispo"):
        assert result.means["clip_fraction_low"] + result.means["clip_fraction_high"] > 0


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize("accumulation", [1, 2])
def test_on_policy_they_agree_with_trl_too_with_and_without_pictures(folder, pictures, accumulation):
    case = replace(CASES["grpo"], accumulation=accumulation)
    assert_agrees(folder, pictures, case, is_off_policy=False)


def test_advantages_one_row_off_would_be_caught(folder):
    def one_row_off(tokens):
        return replace(tokens, advantages=tokens.advantages.roll(1))

    _, right = ours(folder, PICTURES["pictures"], CASES["grpo"], is_off_policy=False)
    _, wrong = ours(folder, PICTURES["pictures"], CASES["grpo"], is_off_policy=False, change=one_row_off)
    assert min(differences(wrong, right).values()) > 100 * TOLERANCE
