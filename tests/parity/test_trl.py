"""One GRPO step of `trl.GRPOTrainer` and one of ours, on the same weights, pictures, completions and rewards."""

from functools import partial

import pytest
import torch
from datasets import Dataset
from tiny import Noise, as_sampled, perturbed, tiny_encoder, tiny_model, tiny_policy
from transformers import Qwen2_5_VLForConditionalGeneration, TrainerCallback
from trl import GRPOConfig, GRPOTrainer

from pathvlm_r1.grpo import Normaliser, group_relative_advantages, grpo, whole_step
from pathvlm_r1.model import token_log_probs
from pathvlm_r1.rollout import Rollout
from pathvlm_r1.rollout.experience import Minibatch

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

pytestmark = [
    pytest.mark.medium,
    pytest.mark.filterwarnings("ignore:`gradient_checkpointing` is deprecated:FutureWarning"),  # trl 1.16's default
]


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
    known = {tuple(COMPLETIONS[b][g]): REWARDS[b][g] for b in (0, 1) for g in range(GROUP_SIZE)}
    return [known[tuple(ids)] for ids in completion_ids]


def policy_of(folder):
    """The reference's weights, moved: neither the divergence is 0 nor, with its log-probs as the old ones, log r."""
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    return perturbed(tiny_policy("vision", model=model, temperature=TEMPERATURE, is_suppressing=False), std=0.01)


def theirs(folder, pictures, *, is_off_policy, accumulation):
    rows = {"prompt": [[{"role": "user", "content": text}] for text in QUESTIONS]}
    if pictures[0] is not None:
        rows["image"] = [picture.load() for picture in pictures]
    settings = GRPOConfig(
        output_dir=str(folder / "out"), use_cpu=True, bf16=False, gradient_checkpointing=False, max_grad_norm=0,
        learning_rate=0, shuffle_dataset=False, report_to="none", save_strategy="no", logging_strategy="no",
        disable_tqdm=True, max_steps=1, per_device_train_batch_size=2 * GROUP_SIZE // accumulation,
        gradient_accumulation_steps=accumulation, num_generations=GROUP_SIZE, max_completion_length=16,
        temperature=TEMPERATURE, top_p=1.0, top_k=0, repetition_penalty=1.0, beta=BETA, loss_type="grpo", epsilon=0.2,
        use_bias_correction_kl=False, scale_rewards="group", disable_dropout=True,
    )  # fmt: skip
    callback = Gradients()
    trainer = TheirStep(
        policy_of(folder).model, reward_funcs=reward_by_tokens, args=settings, train_dataset=Dataset.from_dict(rows),
        processing_class=tiny_encoder().processor, callbacks=[callback], is_off_policy=is_off_policy,
    )  # fmt: skip
    trainer.our_prompts = our_prompts(pictures)
    trainer.train()
    assert trainer.passes == accumulation
    return trainer.loss_sum, callback.found


def our_prompts(pictures):
    return tuple(tiny_encoder().prompt(text, picture) for text, picture in zip(QUESTIONS, pictures, strict=True))


def ours(folder, pictures, *, is_off_policy, accumulation, loss=grpo):
    policy = policy_of(folder)
    kept = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder, dtype=torch.float32)
    reference = tiny_policy("full", model=kept, temperature=TEMPERATURE, is_suppressing=False)
    rollout = Rollout(our_prompts(pictures), tuple(tuple(as_sampled(ids) for ids in group) for group in COMPLETIONS))
    advantages = group_relative_advantages(torch.tensor(REWARDS))
    (minibatch,) = rollout.minibatches(advantages, torch.ones_like(advantages, dtype=torch.bool), 1)
    shares = []
    for batch in minibatch.micro_batches(2 * GROUP_SIZE // accumulation):
        shares.append(our_share(policy, reference, minibatch, batch, loss, is_off_policy=is_off_policy))
        shares[-1].loss.backward()
    result = whole_step([share.detached() for share in shares])
    return result, {name: p.grad for name, p in policy.model.named_parameters() if p.grad is not None}


def our_share(policy, reference, minibatch: Minibatch, batch, loss, *, is_off_policy):
    current = token_log_probs(policy, batch.groups)
    with torch.no_grad():
        kept = token_log_probs(reference, batch.groups).log_probs
    return partial(loss, epsilon_low=0.2, epsilon_high=0.2)(
        current.log_probs, kept if is_off_policy else current.log_probs.detach(), kept, batch.advantages, current.mask,
        beta=BETA, normaliser=Normaliser(len(minibatch.rows), minibatch.counted_tokens),
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


@pytest.mark.parametrize("pictures", PICTURES)
@pytest.mark.parametrize("is_off_policy", [False, True])
@pytest.mark.parametrize("accumulation", [1, 2])
def test_loss_and_every_gradient_agree_with_trl(folder, pictures, is_off_policy, accumulation):
    settings = {"is_off_policy": is_off_policy, "accumulation": accumulation}
    their_loss, their_gradients = theirs(folder, PICTURES[pictures], **settings)
    result, our_gradients = ours(folder, PICTURES[pictures], **settings)
    assert result.kl_mean > 1e-3
    if is_off_policy:
        assert result.ratio_max > 1.2
        assert result.clip_fraction_low + result.clip_fraction_high > 0
    by_tensor = differences(our_gradients, their_gradients)
    relative = abs(float(result.loss) - their_loss) / abs(their_loss)
    assert any("visual" in name for name in by_tensor) == (pictures == "pictures")
    assert relative <= TOLERANCE
    assert max(by_tensor.values()) <= TOLERANCE, sorted(by_tensor.items(), key=lambda item: -item[1])[:5]


def test_advantages_one_row_off_would_be_caught(folder):
    def one_row_off(*batch, **settings):
        *log_probs, advantages, mask = batch
        return grpo(*log_probs, advantages.roll(1), mask, **settings)

    settings = {"is_off_policy": False, "accumulation": 1}
    _, right = ours(folder, PICTURES["pictures"], **settings)
    _, wrong = ours(folder, PICTURES["pictures"], **settings, loss=one_row_off)
    assert min(differences(wrong, right).values()) > 100 * TOLERANCE
