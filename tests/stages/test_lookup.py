"""The look-up phase: its loss, its optimisers, and how a lesson ends."""

from itertools import repeat

import pytest
import torch
from tiny import tiny_encoder, tiny_policy

from pathvlm_r1.data.lookups import LESSON_WINDOW, Lesson, LookUp
from pathvlm_r1.stages import TrainingError, muon_and_adamw, train_look_ups
from pathvlm_r1.stages.lookup import look_up_loss

TASKS = [
    LookUp((("A) nests", "A"), ("\nB) sheets", "B"), ("\nThis is sheets", "B"), (" (", "B"))),
    LookUp((("C) glands", "C"), ("\nThis is glands", "C"), (" (", "C"))),
]
EASY = Lesson(options=2, has_names=False, filler=0, rows=1, passed_at=0.9)


def train(policy, tasks, max_steps):
    return train_look_ups(
        policy, tiny_encoder(), [EASY], lambda _: iter(tasks), max_steps=max_steps, learning_rate=1e-3,
        weight_decay=0.01, gradient_clip=1.0,
    )  # fmt: skip


def test_the_loss_is_that_of_the_letters_at_the_ends_of_pieces_whatever_the_lengths_of_the_rows():
    policy, encoder = tiny_policy(), tiny_encoder()
    loss, right = look_up_loss(policy, encoder, TASKS)
    by_hand, hits = [], []
    for task in TASKS:
        for count in range(1, len(task.pieces) + 1):
            text = "".join(piece for piece, _ in task.pieces[:count])
            ids = torch.tensor([encoder.tokenizer(text)["input_ids"]])
            logits = policy.model(input_ids=ids).logits[0, -1]
            target = encoder.tokenizer.convert_tokens_to_ids(task.pieces[count - 1][1])
            by_hand.append(-logits.log_softmax(-1)[target])
        hits.append(float(logits.argmax() == target))
    torch.testing.assert_close(loss, torch.stack(by_hand).mean())
    assert right == sum(hits) / len(hits)


def test_every_weight_of_the_language_model_has_exactly_one_optimiser_and_embeddings_are_no_matrix():
    model = tiny_policy().core.model.language_model
    muon, adamw = (
        {id(p) for group in optimizer.param_groups for p in group["params"]}
        for optimizer in muon_and_adamw(model, learning_rate=1e-3, weight_decay=0.01)
    )
    assert not muon & adamw
    assert muon | adamw == {id(p) for p in model.parameters()}
    assert id(model.embed_tokens.weight) in adamw


def test_a_lesson_ends_when_it_is_learned_and_the_vision_tower_stays():
    policy = tiny_policy(dtype=torch.float32)
    before = [p.clone() for p in policy.core.model.visual.parameters()]
    steps = list(train(policy, repeat(TASKS[0]), max_steps=400))
    assert LESSON_WINDOW <= len(steps) < 400
    assert all(right == 1.0 for _, right in steps[-LESSON_WINDOW // 2 :])
    assert all(torch.equal(a, b) for a, b in zip(before, policy.core.model.visual.parameters(), strict=True))


def test_a_lesson_that_is_not_learned_stops_the_run_and_names_the_key():
    with pytest.raises(TrainingError, match=r"lesson 1 of 1 .* after 3 steps: raise stage.look_up.max_steps"):
        list(train(tiny_policy(dtype=torch.float32), repeat(TASKS[0]), max_steps=3))
