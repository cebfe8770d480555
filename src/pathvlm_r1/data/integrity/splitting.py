"""Splits that share no picture: whole components go to roles, in exact sizes where components allow, and balanced.

Components are dealt out from the largest to the smallest, each to the role that it brings nearest to its part of every
source, question type, answer letter and number of questions on a picture: iterative stratification, with groups in the
place of single rows. What then lacks to an exact size is filled up, or exchanged, from what no role has.

Source: Sechidis, Tsoumakas and Vlahavas 2011, On the Stratification of Multi-Label Data, ECML PKDD.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.sample import Sample

MANY = 4  # questions on a picture: so many and more are one stratum
_UNUSED = ""  # the role of what no role asks for

Feature = tuple[str, object]


@dataclass
class _Role:
    """What a role is to have, and has."""

    size: int
    desired: Mapping[Feature, float]
    components: list[int] = field(default_factory=list)
    held: Counter[Feature] = field(default_factory=Counter)
    count: int = 0

    def cost_of(self, features: Mapping[Feature, int]) -> float:
        """By how much a component would take the role from its part of everything, relative to that part."""
        cost = 0.0
        for feature, number in features.items():
            part = self.desired[feature]
            cost += number * (2 * (self.held[feature] - part) + number) / max(part, 1.0)
        return cost

    def move(self, component: int, features: Mapping[Feature, int], size: int, *, sign: int) -> None:
        (self.components.append if sign > 0 else self.components.remove)(component)
        self.count += sign * size
        for feature, number in features.items():
            self.held[feature] += sign * number


def exact_sizes(sizes: Mapping[str, float], questions: int) -> dict[str, int]:
    """Numbers of questions by role; below 1, a role's size is a share of all questions, rounded down.

    Raises:
        DatasetError: there are fewer questions than the roles ask for.
    """
    exact = {role: math.floor(size * questions + 1e-9) if size < 1 else int(size) for role, size in sizes.items()}
    if sum(exact.values()) > questions:
        wanted = ", ".join(f"{role} {size}" for role, size in exact.items())
        raise DatasetError(
            f"sizes ask for {sum(exact.values())} questions ({wanted}), there are {questions}. Ask for less."
        )
    return exact


def split_components(
    samples: Sequence[Sample], labels: NDArray[np.int64], sizes: Mapping[str, int], *, seed: int
) -> dict[str, list[Sample]]:
    """Roles and their samples, in the order of their ids; what no role has is in none.

    A role never has more than its size. It has less only where no exchange of two components fills it up.

    Args:
        samples: questions, in any order; the result does not depend on it.
        labels: [N] the component of each, which only one role gets.
        sizes: questions by role, together no more than there are.
        seed: decides between components that are as good.
    """
    order = sorted(range(len(samples)), key=lambda index: samples[index].sample_id)
    members: dict[int, list[Sample]] = defaultdict(list)
    for index in order:
        members[int(labels[index])].append(samples[index])
    groups = list(members.values())
    features = _features(groups)
    roles = _roles(features, sizes, len(samples))
    _deal(groups, features, roles, np.random.default_rng(seed))
    for role in sizes:
        _fill_up(groups, features, roles[role], roles[_UNUSED])
    return {
        role: sorted((one for group in roles[role].components for one in groups[group]), key=lambda one: one.sample_id)
        for role in sizes
    }


def balanced_order(samples: Sequence[Sample], *, seed: int) -> list[Sample]:
    """An order any beginning of which has about the whole's parts of every source, question type and letter."""
    random = np.random.default_rng(seed)
    strata: dict[tuple[str, str, str], list[Sample]] = defaultdict(list)
    for sample in sorted(samples, key=lambda sample: sample.sample_id):
        strata[sample.dataset, sample.question_type, sample.answer].append(sample)
    placed = []
    for stratum in strata.values():
        shift = random.random()
        for place, index in enumerate(random.permutation(len(stratum))):
            placed.append(((place + shift) / len(stratum), stratum[index].sample_id, stratum[index]))
    return [sample for _, _, sample in sorted(placed, key=lambda one: one[:2])]


def nested_subsets(samples: Sequence[Sample], sizes: Sequence[int], *, seed: int) -> dict[int, list[Sample]]:
    """Balanced subsets of exact sizes, each within the next; a size above the number of samples has none."""
    order = balanced_order(samples, seed=seed)
    return {size: order[:size] for size in sorted(sizes) if size <= len(order)}


def _features(groups: Sequence[Sequence[Sample]]) -> list[Counter[Feature]]:
    """How many questions of each stratum a component has."""
    on_image = Counter((sample.dataset, sample.image_id) for group in groups for sample in group)
    return [
        Counter(
            feature
            for sample in group
            for feature in (
                ("all", ""), ("source", (sample.dataset, sample.question_type)), ("letter", sample.answer),
                ("on a picture", min(MANY, on_image[sample.dataset, sample.image_id])),
            )
        )
        for group in groups
    ]  # fmt: skip


def _roles(features: Sequence[Counter[Feature]], sizes: Mapping[str, int], questions: int) -> dict[str, _Role]:
    total: Counter[Feature] = Counter()
    for one in features:
        total.update(one)
    every = {**sizes, _UNUSED: questions - sum(sizes.values())}
    return {
        role: _Role(size, {feature: number * size / max(questions, 1) for feature, number in total.items()})
        for role, size in every.items()
    }


def _deal(
    groups: Sequence[Sequence[Sample]], features: Sequence[Counter[Feature]], roles: Mapping[str, _Role],
    random: np.random.Generator,
) -> None:  # fmt: skip
    """Every component to the role where it fits and that it serves best, the largest first."""
    shuffled = random.permutation(len(groups))
    for group in sorted(shuffled, key=lambda group: -len(groups[group])):
        size = len(groups[group])
        fitting = [role for role in roles.values() if role.count + size <= role.size] or [roles[_UNUSED]]
        costs = [role.cost_of(features[group]) for role in fitting]
        best = [role for role, cost in zip(fitting, costs, strict=True) if cost <= min(costs) + 1e-12]
        best[int(random.integers(len(best)))].move(int(group), features[group], size, sign=1)


def _fill_up(
    groups: Sequence[Sequence[Sample]], features: Sequence[Counter[Feature]], role: _Role, unused: _Role
) -> None:
    """Give a role what it lacks: components that fit, then one for another that is larger by the rest."""

    def moves(group: int, source: _Role, target: _Role) -> None:
        source.move(group, features[group], len(groups[group]), sign=-1)
        target.move(group, features[group], len(groups[group]), sign=1)

    for group in sorted(unused.components, key=lambda group: -len(groups[group])):
        if len(groups[group]) <= role.size - role.count:
            moves(group, unused, role)
    offered: dict[int, int] = {len(groups[group]): group for group in unused.components}
    lacking = role.size - role.count
    exchanges = [(group, offered.get(len(groups[group]) + lacking)) for group in role.components]
    given, taken = next(((group, other) for group, other in exchanges if other is not None), (None, None))
    if lacking and given is not None and taken is not None:
        moves(given, role, unused)
        moves(taken, unused, role)
