"""Simulated coverage: how often intervals hold the truth that drew the sample, and tests raise a false alarm.

The intervals are those of the package; `benchmarks/coverage.py` runs and records them, `test_coverage.py` asserts them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pathvlm_r1.evaluation import (
    Interval,
    cluster_bootstrap,
    hierarchical_interval,
    image_bootstrap_of_seed_mean,
    mcnemar,
    mean_of_repeats,
    non_inferiority,
    resampled_differences,
    wilson,
)

CLOSED_FORM, BOOTSTRAP = 20_000, 2_000  # simulations
REPLICATES = 600  # of each bootstrap
Generator = np.random.Generator


@dataclass(frozen=True)
class Simulation:
    """One thing to simulate: each call is a study, and says whether it held the truth, or raised an alarm."""

    name: str
    simulations: int
    study: Callable[[Generator], bool]
    kind: str = "coverage"  # or "alarms": the share of studies in which a test finds what is not there
    at_least: float | None = 0.93  # of coverage; None: known to fall short, and said so in the docstring
    at_most: float | None = None  # of alarms


@dataclass(frozen=True)
class Share:
    """What came out, with the interval of the simulation itself."""

    name: str
    kind: str
    share: float
    low: float
    high: float
    simulations: int


def simulated(simulation: Simulation, simulations: int | None = None) -> Share:
    """Run it, from a seed of its own name."""
    times = simulations or simulation.simulations
    random = np.random.default_rng(list(simulation.name.encode()))
    hits = sum(simulation.study(random) for _ in range(times))
    interval = wilson(hits, times)
    return Share(simulation.name, simulation.kind, hits / times, interval.low, interval.high, times)


def holds(interval: Interval, truth: float) -> bool:
    return interval.low <= truth <= interval.high


def of_wilson(p: float, n: int) -> Callable[[Generator], bool]:
    known = {k: holds(wilson(k, n), p) for k in range(n + 1)}
    return lambda random: known[int(random.binomial(n, p))]


def of_repeats(k: int) -> Callable[[Generator], bool]:
    return lambda random: holds(mean_of_repeats(list(random.normal(0.6, 0.01, size=k))).interval, 0.6)


def of_decodes(k: int, n: int = 500) -> Callable[[Generator], bool]:
    """Accuracies of k decodes of the same n questions, whose chances differ."""
    chances = np.random.default_rng(1).beta(1.4, 0.6, size=n)
    return lambda random: holds(
        mean_of_repeats(list((random.random((k, n)) < chances).mean(axis=1))).interval, float(chances.mean())
    )


def of_mcnemar(discordance: float, n: int) -> Callable[[Generator], bool]:
    """Whether the exact test tells apart two arms that are right equally often."""

    def study(random: Generator) -> bool:
        fixed, broken, _ = random.multinomial(n, [discordance / 2, discordance / 2, 1 - discordance])
        key = int(fixed), int(broken)
        if key not in known:
            first, second = np.zeros(n, dtype=bool), np.zeros(n, dtype=bool)
            second[:fixed], first[fixed : fixed + broken] = True, True
            known[key] = mcnemar(first, second).p_value <= 0.05
        return known[key]

    known: dict[tuple[int, int], bool] = {}
    return study


def clustered_answers(random: Generator, images: int) -> tuple[np.ndarray, list[str]]:
    """Answers right with chance 0.7, one to five on an image, where they tend to be right together."""
    counts = random.integers(1, 6, size=images)
    chances = np.repeat(random.beta(1.4, 0.6, size=images), counts)
    return (random.random(chances.size) < chances).astype(float), np.repeat(
        np.arange(images).astype(str), counts
    ).tolist()


def of_images(images: int, *, by_item: bool = False) -> Callable[[Generator], bool]:
    """The bootstrap of images; by item it is the wrong one, which takes items for independent."""

    def study(random: Generator) -> bool:
        values, clusters = clustered_answers(random, images)
        if by_item:
            clusters = [f"item-{index}" for index in range(len(values))]
        return holds(cluster_bootstrap(values, clusters, random=random, replicates=REPLICATES), 0.7)

    return study


def differences(random: Generator, *, gain: float, seed_spread: float, seeds: int, images: int = 200):
    """Differences 1, 0, -1 on images of one to three items, with effects of image and seed; and their mean."""
    counts = random.integers(1, 4, size=images)
    of_image = np.repeat(random.uniform(-0.2, 0.2, size=images), counts)
    of_seed = random.uniform(-seed_spread, seed_spread, size=(seeds, 1))
    gained = 0.25 + (gain + of_image + of_seed) / 2  # half of the items tell the arms apart
    draws = random.random((seeds, of_image.size))
    found = (draws < gained).astype(float) - (draws > gained + 0.5)
    return found, np.repeat(np.arange(images).astype(str), counts).tolist(), gain + of_seed.mean()


def of_difference(seeds: int, images: int = 200) -> Callable[[Generator], bool]:
    """The difference of these seeds on new images."""

    def study(random: Generator) -> bool:
        found, clusters, truth = differences(random, gain=0.05, seed_spread=0.1, seeds=seeds, images=images)
        return holds(
            image_bootstrap_of_seed_mean(found, clusters, random=random, replicates=REPLICATES).interval, truth
        )

    return study


def of_hierarchy(seeds: int, seed_spread: float) -> Callable[[Generator], bool]:
    """The difference over all seeds and images there could be."""

    def study(random: Generator) -> bool:
        found, clusters, _ = differences(random, gain=0.05, seed_spread=seed_spread, seeds=seeds)
        return holds(hierarchical_interval(found, clusters, random=random, replicates=REPLICATES), 0.05)

    return study


def of_equal_arms(random: Generator) -> bool:
    """Whether the bootstrap's p tells apart two arms that do not differ."""
    found, clusters, _ = differences(random, gain=0.0, seed_spread=0.0, seeds=1)
    return image_bootstrap_of_seed_mean(found, clusters, random=random, replicates=REPLICATES).p_value <= 0.05


def of_lost_margin(random: Generator) -> bool:
    """Whether an arm that loses the margin is called not worse by it."""
    found, clusters, _ = differences(random, gain=-0.05, seed_spread=0.0, seeds=1)
    return non_inferiority(
        resampled_differences(found, clusters, random=random, replicates=REPLICATES), margin=0.05
    ).is_shown


SIMULATIONS = (
    *(Simulation(f"Wilson, p {p}, n {n}", CLOSED_FORM, of_wilson(p, n))
      for p, n in ((0.5, 60), (0.6, 300), (0.7, 300), (0.8, 300), (0.9, 100), (0.7, 8518))),
    *(Simulation(f"Student, {k} normal repeats", CLOSED_FORM, of_repeats(k)) for k in (3, 5, 10)),
    Simulation("Student, 5 decodes of 500 questions", CLOSED_FORM, of_decodes(5)),
    *(Simulation(f"McNemar, {n} items, discordance {share}", CLOSED_FORM, of_mcnemar(share, n), "alarms", None, 0.05)
      for n, share in ((60, 0.3), (999, 0.1))),
    *(Simulation(f"images, {images} of 1 to 5 questions", BOOTSTRAP, of_images(images)) for images in (50, 200)),
    *(Simulation(f"paired difference, 1 seed, {images} images", BOOTSTRAP, of_difference(1, images))
      for images in (50, 200)),
    Simulation("paired difference of 3 seeds' mean, 200 images", BOOTSTRAP, of_difference(3)),
    *(Simulation(f"seeds and images, 10 seeds, spread {spread}", BOOTSTRAP, of_hierarchy(10, spread))
      for spread in (0.0, 0.1, 0.2)),
    *(Simulation(f"seeds and images, {seeds} seeds, spread 0.2", BOOTSTRAP, of_hierarchy(seeds, 0.2), at_least=None)
      for seeds in (3, 5)),
    Simulation("bootstrap p of equal arms", BOOTSTRAP, of_equal_arms, "alarms", None, 0.07),
    Simulation("not worse, at a loss of the margin", BOOTSTRAP, of_lost_margin, "alarms", None, 0.04),
)  # fmt: skip
