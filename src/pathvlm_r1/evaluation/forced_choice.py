"""Forced choice: the option whose letter is the likeliest, its margin, and what picture and position do to it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.evaluation.statistics import Interval, cluster_bootstrap, share_interval

Floats = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True)
class Choice:
    """Log-probabilities of a question's option letters, by place; n options."""

    sample_id: str
    image_id: str
    dataset: str
    reference: int  # place of the right option, from 0
    orders: tuple[tuple[float, ...], ...]  # [n, n]: in order r, place p holds option (p + r) mod n; 0 is as asked
    blank: tuple[float, ...]  # [n], with a grey picture
    shuffled: tuple[float, ...]  # [n], with another question's picture
    prefix: str  # that every letter stood behind

    @property
    def as_asked(self) -> tuple[float, ...]:
        """With the picture and the order of the question."""
        return self.orders[0]


@dataclass(frozen=True, kw_only=True)
class ForcedChoiceRow:
    """How one arm chose on one dataset."""

    stage: str  # the arm
    dataset: str
    split: str
    seed: int
    n: int  # questions with options
    prefix: str  # that every letter stands behind
    accuracy: float
    ci_low: float  # 95 % interval of the accuracy
    ci_high: float
    accuracy_blank: float
    accuracy_shuffled: float
    accuracy_orders: float  # mean over all cyclic orders of the options
    margin: float  # mean, in nats
    margin_blank: float
    margin_shuffled: float
    picture_dependence: float  # mean margin with the picture less that with another's
    picture_low: float | None  # its 95 % interval; None: one picture alone
    picture_high: float | None
    position_bias: float  # 0: every place is chosen equally often over all orders; to 1 - 1/n: one always is
    same_option: float  # share of questions that choose one option in all orders


def margin(log_probs: Sequence[float], reference: int) -> float:
    """How much likelier the right option is than the others together, in nats; above 0 it is chosen for sure.

        margin = l[reference] - log sum of exp l[other]

    Args:
        log_probs: [n] of the options, at least two; a constant added to all changes nothing.
        reference: place of the right one.
    """
    others = np.delete(np.array(log_probs, dtype=np.float64), reference)
    return float(log_probs[reference] - np.logaddexp.reduce(others))


def position_bias(choices: Sequence[Choice]) -> float:
    """Total variation distance of the chosen places from a uniform choice, over all cyclic orders of every question.

    In these the right option stands equally often at every place, so that whoever follows the options alone is uniform.
    Questions of n options are compared with 1/n each; of several n, the mean over the questions.
    """
    total = 0.0
    for n in {len(choice.orders) for choice in choices}:
        placed = [_chosen(order) for choice in choices if len(choice.orders) == n for order in choice.orders]
        shares = np.bincount(placed, minlength=n) / len(placed)
        total += float(np.abs(shares - 1 / n).sum()) / 2 * len(placed) / n
    return total / len(choices)


def forced_choice_row(
    choices: Sequence[Choice], *, arm: str, split: str, seed: int, random: np.random.Generator,
    replicates: int,
) -> ForcedChoiceRow:  # fmt: skip
    """One row; raises ValueError without choices."""
    if not choices:
        raise ValueError(f"{arm} has no choices on {split}")
    images = [choice.image_id for choice in choices]
    right = _right(choices, [choice.as_asked for choice in choices])
    interval = share_interval(right, images, random=random, replicates=replicates)
    seen, blank, other = (
        np.array([margin(getattr(choice, name), choice.reference) for choice in choices])
        for name in ("as_asked", "blank", "shuffled")
    )
    dependence = _difference(seen - other, images, random=random, replicates=replicates)
    options = [[(_chosen(o) + r) % len(choice.orders) for r, o in enumerate(choice.orders)] for choice in choices]
    return ForcedChoiceRow(
        stage=arm, dataset=choices[0].dataset, split=split, seed=seed, n=len(choices), prefix=choices[0].prefix,
        accuracy=float(right.mean()), ci_low=interval.low, ci_high=interval.high,
        accuracy_blank=float(_right(choices, [choice.blank for choice in choices]).mean()),
        accuracy_shuffled=float(_right(choices, [choice.shuffled for choice in choices]).mean()),
        accuracy_orders=float(
            np.mean([np.mean([one == c.reference for one in of]) for of, c in zip(options, choices, strict=True)])
        ),
        margin=float(seen.mean()), margin_blank=float(blank.mean()), margin_shuffled=float(other.mean()),
        picture_dependence=float((seen - other).mean()),
        picture_low=None if dependence is None else dependence.low,
        picture_high=None if dependence is None else dependence.high,
        position_bias=position_bias(choices),
        same_option=float(np.mean([len(set(of)) == 1 for of in options])),
    )  # fmt: skip


def write_choices(path: Path, choices: Iterable[Choice]) -> None:
    """JSON Lines."""
    path.write_text("".join(json.dumps(asdict(choice), ensure_ascii=False) + "\n" for choice in choices), "utf-8")


def read_choices(path: Path) -> list[Choice]:
    """What `write_choices` wrote.

    Raises:
        ValueError: a line that is not a choice; names file and line.
    """
    choices = []
    for number, line in enumerate(path.read_text(encoding="utf-8").split("\n")[:-1], start=1):
        try:
            found = json.loads(line)
            orders = tuple(tuple(order) for order in found.pop("orders"))
            blank, shuffled = tuple(found.pop("blank")), tuple(found.pop("shuffled"))
            choices.append(Choice(**found, orders=orders, blank=blank, shuffled=shuffled))
        except (TypeError, ValueError, KeyError, AttributeError) as error:
            raise ValueError(f"{path}:{number}: not a choice ({error}); evaluate the run again") from error
    return choices


def _chosen(log_probs: Sequence[float]) -> int:
    """The place of the likeliest, of equal ones the first."""
    return max(range(len(log_probs)), key=lambda place: log_probs[place])


def _right(choices: Sequence[Choice], log_probs: Sequence[Sequence[float]]) -> Floats:
    return np.array([float(_chosen(of) == c.reference) for c, of in zip(choices, log_probs, strict=True)])


def _difference(
    values: Floats, images: Sequence[str], *, random: np.random.Generator, replicates: int
) -> Interval | None:  # fmt: skip
    if len(set(images)) < 2:
        return None  # one picture says nothing of others
    return cluster_bootstrap(values, images, random=random, replicates=replicates)
