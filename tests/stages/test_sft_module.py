import math

import pytest
import torch
from pytorch_lightning import Trainer
from tiny import (
    LIGHTNING_WARNINGS,
    PEFT_WARNING,
    gradients,
    perturbed,
    pixel_inputs,
    prompts,
    random_completions,
    relative_difference,
    samples,
    tiny_encoder,
    tiny_policy,
)
from torch.testing import assert_close

from pathvlm_r1.contract import Contract
from pathvlm_r1.data.stream import ItemStream
from pathvlm_r1.model import IGNORED, EncodedRow, SampleEncoder
from pathvlm_r1.stages import SFTModule, TrainingError, linear_decay, warmup_cosine
from pathvlm_r1.stages.sft import learned_tokens, supervised_loss

SIZES = [(56, 56), None, (140, 84), (57, 113), None, (84, 56)]

pytestmark = [PEFT_WARNING, *LIGHTNING_WARNINGS]


def rows_of(sizes=SIZES):
    made = prompts(sizes)
    return [EncodedRow(p, ids) for p, ids in zip(made, random_completions([3, 9, 1, 6, 12, 4]), strict=False)]


def test_loss_falls_on_the_tokens_of_the_assistants_turn_and_its_end_alone():
    sample = samples(3)[1]
    contract, encoder = Contract(), tiny_encoder()
    row = SampleEncoder(encoder, contract).row(sample)
    labels = encoder.batch([row]).labels[0].tolist()
    written = encoder.tokenizer(contract.target(sample))["input_ids"]
    assert labels == [IGNORED] * len(row.prompt.token_ids) + written + [encoder.end_ids[0]]
    assert encoder.decode(row.completion_ids) == contract.target(sample)
    text = encoder.tokenizer.decode(row.prompt.token_ids)
    assert text.endswith("<|im_start|>assistant\n")
    assert contract.prompt(sample) in text


def test_a_given_beginning_of_the_assistants_turn_bears_no_loss():
    (row,) = rows_of([None])
    later = EncodedRow(row.prompt, row.completion_ids, loss_from=2)
    labels = tiny_encoder().batch([later]).labels[0]
    assert labels[labels != IGNORED].tolist() == row.completion_ids[2:]


def of_the_stock_model(policy, batch):
    """The library's own mean loss over the labels."""
    output = policy.core(
        input_ids=batch.input_ids, attention_mask=batch.attention_mask, labels=batch.labels, use_cache=False,
        mm_token_type_ids=batch.mm_token_type_ids.int(), **pixel_inputs(batch.prompts),
    )  # fmt: skip
    return output.loss


@pytest.mark.medium
@pytest.mark.parametrize("adapter", ["full", "vision", "lora"])
def test_loss_and_gradient_are_those_of_the_stock_model_with_labels(adapter):
    policy = perturbed(tiny_policy(adapter))
    batch = tiny_encoder().batch(rows_of())
    ours = supervised_loss(policy, batch)[0] / learned_tokens([batch])
    ours.backward()
    our_gradients = gradients(policy)
    policy.zero_grad()
    theirs = of_the_stock_model(policy, batch)
    theirs.backward()
    # The library takes the loss in float32 whatever the model.
    assert_close(ours.detach().float(), theirs.detach().float(), rtol=1e-6, atol=0)
    assert relative_difference(our_gradients, gradients(policy)) <= 1e-6


@pytest.mark.medium
@pytest.mark.parametrize("rows_per_forward", [1, 2, 4, 64])
def test_the_sum_does_not_depend_on_how_rows_are_split_and_padded(rows_per_forward):
    policy, encoder, rows = tiny_policy(), tiny_encoder(), rows_of()
    results = []
    for batches in (encoder.batches(rows, rows_per_forward), [encoder.batch([row]) for row in rows]):
        policy.zero_grad()
        losses = [supervised_loss(policy, batch)[0] for batch in batches]
        sum(losses).backward()
        assert learned_tokens(batches) == sum(len(row.completion_ids) for row in rows)
        results.append((sum(losses).detach(), gradients(policy)))
    assert_close(results[0][0], results[1][0], rtol=1e-12, atol=0)
    assert relative_difference(results[0][1], results[1][1]) <= 1e-10


def test_batches_hold_every_row_once():
    rows = rows_of()
    for size in (1, 2, 4, 6, 64):
        batches = tiny_encoder().batches(rows, size)
        kept = [prompt.token_ids for batch in batches for prompt in batch.prompts]
        assert sorted(kept) == sorted(row.prompt.token_ids for row in rows)
        assert all(len(batch.prompts) <= size for batch in batches)


def fitted(folder, policy, *, rows_per_forward=64, max_steps=2, schedule=None, **changes):
    encoder = SampleEncoder(tiny_encoder(), Contract())
    settings = {"learning_rate": 1e-2, "weight_decay": 0.0, "gradient_clip": 1e9, **changes}
    module = SFTModule(
        policy, encoder=tiny_encoder(), encode=encoder.row, rows_per_forward=rows_per_forward, folder=folder,
        schedule=schedule or linear_decay(total_steps=100), **settings,
    )  # fmt: skip
    steps = []
    rates = []

    def before(optimizer):
        steps.append(gradients(policy))
        rates.append(optimizer.param_groups[0]["lr"])

    module.on_before_optimizer_step = before
    precision = {torch.float32: "32-true", torch.float64: "64-true"}[next(policy.parameters()).dtype]
    trainer = Trainer(
        accelerator="cpu", devices=1, precision=precision, logger=False, enable_checkpointing=False,
        enable_progress_bar=False, enable_model_summary=False, max_steps=max_steps, max_epochs=-1,
        default_root_dir=folder,
    )  # fmt: skip
    trainer.fit(module, datamodule=ItemStream.shuffled(samples(8), batch_size=4, seed=0))
    return trainer, steps, rates


@pytest.mark.medium
def test_a_steps_gradient_does_not_depend_on_rows_per_forward(tmp_path):
    (_, whole, _), *others = (fitted(tmp_path, tiny_policy(), rows_per_forward=rows) for rows in (64, 1, 3))
    for _, split, _ in others:
        for ours, theirs in zip(split, whole, strict=True):
            assert relative_difference(ours, theirs) <= 1e-10


@pytest.mark.medium
def test_training_lowers_the_loss_by_what_is_logged_and_moves_only_the_adapter(tmp_path):
    policy = tiny_policy("lora", torch.float32)
    before = {name: p.detach().clone() for name, p in policy.named_parameters()}
    rows = [SampleEncoder(tiny_encoder(), Contract()).row(sample) for sample in samples(8)]
    batch = tiny_encoder().batch(rows)
    with torch.no_grad():
        at_start = float(supervised_loss(policy, batch)[0])
    trainer, _, _ = fitted(tmp_path, policy, max_steps=8)
    with torch.no_grad():
        at_end = float(supervised_loss(policy.eval(), batch)[0])
    assert at_end < 0.95 * at_start
    assert trainer.global_step == 8
    assert trainer.datamodule.batches_done == 8
    changed = {name for name, p in policy.named_parameters() if not torch.equal(p, before[name])}
    assert changed == {name for name in before if "lora_" in name}


def test_the_logged_loss_is_the_mean_over_the_steps_tokens(tmp_path):
    policy = tiny_policy()
    encoder = SampleEncoder(tiny_encoder(), Contract())
    stream = ItemStream.shuffled(samples(8), batch_size=4, seed=0)
    batch = tiny_encoder().batch([encoder.row(sample) for sample in stream.batch(0)])
    with torch.no_grad():
        expected = float(supervised_loss(policy, batch)[0]) / learned_tokens([batch])
    trainer, _, _ = fitted(tmp_path, policy, max_steps=1, rows_per_forward=3)
    assert float(trainer.callback_metrics["sft/loss"]) == pytest.approx(expected, rel=1e-6)
    assert float(trainer.callback_metrics["sft/tokens"]) == learned_tokens([batch])


def test_the_logged_token_accuracy_is_that_of_the_stock_models_likeliest_tokens(tmp_path):
    policy, encoder = tiny_policy(), SampleEncoder(tiny_encoder(), Contract())
    stream = ItemStream.shuffled(samples(8), batch_size=4, seed=0)
    right = total = 0
    for row in map(encoder.row, stream.batch(0)):
        batch = tiny_encoder().batch([row])
        with torch.no_grad():
            likeliest = policy.core.lm_head(policy.hidden_states(batch))[0].argmax(dim=-1).tolist()
        ids = row.prompt.token_ids + row.completion_ids
        start = len(row.prompt.token_ids)
        right += sum(likeliest[place - 1] == ids[place] for place in range(start, len(ids)))
        total += len(row.completion_ids)
    trainer, _, _ = fitted(tmp_path, policy, max_steps=1, rows_per_forward=3)
    assert float(trainer.callback_metrics["sft/token_accuracy"]) == pytest.approx(right / total, rel=1e-6)


def test_a_loss_that_is_not_finite_stops_the_run_with_its_batch_in_a_file(tmp_path):
    policy = tiny_policy(dtype=torch.float32)
    with torch.no_grad():
        policy.core.model.language_model.norm.weight.fill_(float("inf"))
    with pytest.raises(TrainingError, match="optimiser step 0"):
        fitted(tmp_path, policy)
    assert (tmp_path / "non_finite_step_0.json").is_file()


def test_the_gradient_is_clipped_to_the_norm(tmp_path):
    policy, free = tiny_policy(), tiny_policy()
    fitted(tmp_path, policy, max_steps=1, gradient_clip=1e-9, learning_rate=1e-3)
    fitted(tmp_path, free, max_steps=1, learning_rate=1e-3)
    start = {name: p.detach() for name, p in tiny_policy().named_parameters()}
    # AdamW's first step is g / (|g| + 1e-8): far below 1 for every weight once |g| is at most 1e-9.
    moved = [
        max(float((p.detach() - start[n]).abs().max()) for n, p in made.named_parameters()) for made in (policy, free)
    ]
    assert moved[0] < 0.1e-3
    assert moved[1] > 0.9e-3


@pytest.mark.parametrize(("warmup_share", "total_steps"), [(0.03, 400), (0.25, 8), (0.0, 5), (0.04, 3600)])
def test_warmup_cosine_is_its_closed_form(warmup_share, total_steps):
    factor = warmup_cosine(warmup_share=warmup_share, total_steps=total_steps)
    warmup = max(1, round(warmup_share * total_steps))
    for step in range(total_steps + 1):
        rising = (step + 1) / warmup
        falling = math.cos(math.pi / 2 * (step - warmup) / (total_steps - warmup)) ** 2  # (1 + cos 2x) / 2 = cos^2 x
        assert factor(step) == pytest.approx(rising if step < warmup else falling, abs=1e-12)
    assert factor(warmup - 1) == 1
    assert factor(total_steps) == pytest.approx(0, abs=1e-12)
    assert factor(total_steps + 100) == pytest.approx(0, abs=1e-12)


def test_linear_decay_is_its_closed_form():
    factor = linear_decay(total_steps=4)
    assert [factor(step) for step in range(6)] == [1, 0.75, 0.5, 0.25, 0, 0]


def test_the_optimiser_follows_the_schedule(tmp_path):
    schedule = warmup_cosine(warmup_share=0.5, total_steps=4)
    _, _, rates = fitted(tmp_path, tiny_policy(dtype=torch.float32), max_steps=4, schedule=schedule)
    assert rates == pytest.approx([1e-2 * schedule(step) for step in range(4)])


def test_a_rehearsal_adds_its_own_gradient_in_every_step(tmp_path):
    def weight(policy):
        return policy.core.lm_head.weight

    plain, rehearsing = tiny_policy(), tiny_policy()
    asked = []

    def rehearsal(step):
        asked.append(step)
        return 3.0 * weight(rehearsing).sum()

    _, without, _ = fitted(tmp_path, plain, max_steps=1)
    _, once, _ = fitted(tmp_path, rehearsing, max_steps=1, rehearsal=rehearsal)
    (name,) = [name for name, parameter in rehearsing.named_parameters() if parameter is weight(rehearsing)]
    assert_close(once[0][name], without[0][name] + 3.0, rtol=1e-12, atol=1e-12)
    assert asked == [0]
