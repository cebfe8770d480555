"""The nano model learns to look up an option's letter, lesson by lesson, on text alone."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from itertools import islice

import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from pathvlm_r1.data.lookups import LESSON_WINDOW, Lesson, LookUp
from pathvlm_r1.model import EncodedPrompt, EncodedRow, Encoder, Policy, head_log_probs
from pathvlm_r1.stages.faults import TrainingError
from pathvlm_r1.stages.optimisation import inverse_decay, muon_and_adamw

FULL_RATE_STEPS = 150  # of a lesson at the full rate, which finds a look-up and then keeps it from getting reliable

Source = Callable[[Lesson], Iterator[LookUp]]


def train_look_ups(
    policy: Policy, encoder: Encoder, lessons: Sequence[Lesson], source: Source, *, max_steps: int,
    learning_rate: float, weight_decay: float, gradient_clip: float,
) -> Iterator[tuple[int, float]]:  # fmt: skip
    """Train the language model through the lessons; yields, a step, the lesson's index and the share of right letters.

    Raises:
        TrainingError: a lesson is not passed after `max_steps` steps of all lessons together.
    """
    optimizers = muon_and_adamw(
        policy.core.model.language_model, learning_rate=learning_rate, weight_decay=weight_decay
    )
    done = 0
    for index, lesson in enumerate(lessons):
        recent: deque[float] = deque(maxlen=LESSON_WINDOW)
        tasks = source(lesson)
        schedules = [LambdaLR(optimizer, inverse_decay(full_steps=FULL_RATE_STEPS)) for optimizer in optimizers]
        while len(recent) < LESSON_WINDOW or sum(recent) / LESSON_WINDOW < lesson.passed_at:
            if done == max_steps:
                raise TrainingError(
                    f"lesson {index + 1} of {len(lessons)} in looking up letters is not learned after {done} steps: "
                    "raise stage.look_up.max_steps, or change stage.look_up.learning_rate."
                )
            loss, right = look_up_loss(policy, encoder, list(islice(tasks, lesson.rows)))
            torch.autograd.backward(loss)
            nn.utils.clip_grad_norm_(policy.core.model.language_model.parameters(), gradient_clip)
            for optimizer, schedule in zip(optimizers, schedules, strict=True):
                optimizer.step()
                schedule.step()
                optimizer.zero_grad(set_to_none=True)
            done += 1
            recent.append(right)
            yield index, right


def look_up_loss(policy: Policy, encoder: Encoder, tasks: Sequence[LookUp]) -> tuple[Tensor, float]:
    """Mean cross-entropy of the letters at the ends of all pieces, and the share of right ones at the last."""
    token_ids: list[list[int]] = []
    rows, places, letters, is_last = [], [], [], []
    for row, task in enumerate(tasks):
        token_ids.append([])
        for index, (text, letter) in enumerate(task.pieces):
            token_ids[row] += encoder.tokenizer(text)["input_ids"]
            rows.append(row)
            places.append(len(token_ids[row]) - 1)
            letters += encoder.tokenizer(letter)["input_ids"]
            is_last.append(index == len(task.pieces) - 1)
    batch = encoder.batch([EncodedRow(EncodedPrompt(ids), []) for ids in token_ids]).to(policy.device)
    states = policy.hidden_states(batch)[rows, places]  # [pieces, D]
    scores = head_log_probs(states, policy.head_weight, torch.tensor(letters, device=policy.device))
    is_right = scores.is_likeliest[torch.tensor(is_last, device=policy.device)]
    return -scores.log_probs.mean(), float(is_right.double().mean())
