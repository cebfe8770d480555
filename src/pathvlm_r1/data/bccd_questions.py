"""Questions on cell counts whose text gives nothing away, and their samples with findings and rationale."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.images import FileImage
from pathvlm_r1.data.rationale import Argument, Style, write
from pathvlm_r1.data.sample import LETTERS, FindingsTable, OptionFacts, Sample
from pathvlm_r1.data.voc import BoxRegion, Photograph

LARGEST_COUNT = 40  # the findings table speaks of counts up to here; BCCD's largest is 27


@dataclass(frozen=True)
class Cell:
    """A kind of cell: its class in the annotations, its name in questions, and whether no box means no cell."""

    class_name: str
    name: str
    zero_is_known: bool

    def count(self, photograph: Photograph) -> int:
        """The annotated number."""
        return photograph.counts[self.class_name]

    def is_known(self, photograph: Photograph) -> bool:
        """Whether the annotated number can be taken for the true one."""
        return self.zero_is_known or self.count(photograph) > 0

    def phrase(self, count: int) -> str:
        """The finding that states a count."""
        return f"{count} {self.name if count == 1 else self.plural}"

    @property
    def plural(self) -> str:
        """The name of several."""
        return f"{self.name}s"


@dataclass(frozen=True)
class CountBin:
    """An option: the counts from `low` to `high`, both included; `high` None has no end."""

    text: str
    low: int
    high: int | None

    @property
    def definition(self) -> str:
        """The criterion of this option."""
        if self.high is None:
            return f"a count of {self.low} or more"
        return f"a count of exactly {self.low}" if self.low == self.high else f"a count from {self.low} to {self.high}"

    def holds(self, count: int) -> bool:
        """Whether a count lies within the bounds."""
        return self.low <= count and (self.high is None or count <= self.high)


PLATELETS = Cell("Platelets", "platelet", zero_is_known=True)
RED_CELLS = Cell("RBC", "red cell", zero_is_known=False)  # no field of a blood smear is free of them
CELLS = (PLATELETS, RED_CELLS)
PLATELET_BINS = (
    CountBin("no platelet", 0, 0),
    CountBin("one platelet", 1, 1),
    CountBin("two platelets", 2, 2),
    CountBin("three or more platelets", 3, None),
)


@dataclass(frozen=True)
class Draft:
    """A question before it is put into words; `options` stand in the order of their letters."""

    photograph: Photograph
    question_type: str
    question: str
    cell: Cell
    options: tuple[CountBin, ...]

    @property
    def sample_id(self) -> str:
        """Unique within the dataset."""
        return f"{self.photograph.image_id}/{self.question_type}"

    @property
    def count(self) -> int:
        """The annotated number of the asked cells."""
        return self.cell.count(self.photograph)


def seeded(seed: int, name: str) -> np.random.Generator:
    """A generator of its own for everything that has a name, so that no draw shifts another."""
    return np.random.default_rng([seed, zlib.crc32(name.encode())])


def quartile_bins(photographs: Sequence[Photograph]) -> tuple[CountBin, ...]:
    """Four red-cell bins with about a quarter of the photographs each; their texts name the bounds.

    Raises:
        DatasetError: too many equal counts for four bins.
    """
    counts = [RED_CELLS.count(photograph) for photograph in photographs if RED_CELLS.is_known(photograph)]
    first, second, third = (int(q) for q in np.quantile(counts or [0], [0.25, 0.5, 0.75], method="inverted_cdf"))
    if not first < second < third < max(counts, default=0):
        raise DatasetError(
            f"red-cell counts of the train list have quartiles {first}, {second}, {third}: too many are equal for four "
            "bins. Use more photographs."
        )
    name = RED_CELLS.plural
    middle = [
        CountBin(f"exactly {RED_CELLS.phrase(low)}" if low == high else f"{low} to {high} {name}", low, high)
        for low, high in ((first + 1, second), (second + 1, third))
    ]
    return at_most(first), *middle, CountBin(f"{third + 1} or more {name}", third + 1, None)


def at_most(count: int) -> CountBin:
    """The bin of all red-cell counts up to one."""
    return CountBin(f"at most {RED_CELLS.phrase(count)}", 0, count)


def more_than(count: int) -> CountBin:
    """The bin of all red-cell counts above one."""
    return CountBin(f"more than {RED_CELLS.phrase(count)}", count + 1, None)


def balanced(drafts: Sequence[Draft], bins: tuple[CountBin, ...], seed: int) -> list[Draft]:
    """Equally many of the questions per right option; right letters cycle over them, so they are balanced too.

    Args:
        drafts: questions of one type; every count lies in exactly one of the bins.
        bins: their options.
        seed: chooses which questions are kept and in which order each has its options.

    Raises:
        DatasetError: an option that is right for none of the questions.
    """
    groups = [[draft for draft in drafts if option.holds(draft.count)] for option in bins]
    empty = [option.text for option, group in zip(bins, groups, strict=True) if not group]
    if empty:
        raise DatasetError(
            f"no photograph has {' or '.join(empty)}, so the answers cannot be balanced. Use more photographs, or "
            "another dataset.rl_share."
        )
    generator = seeded(seed, f"balance/{drafts[0].question_type}")
    size = min(len(group) for group in groups)
    kept = [group[index] for group in groups for index in generator.permutation(len(group))[:size]]
    places = generator.permutation(len(bins))
    return [_ordered(draft, int(places[i % len(bins)]), seed) for i, draft in enumerate(kept)]


def paired(photographs: Sequence[Photograph], seed: int) -> list[Draft]:
    """More-or-fewer questions: two photographs get one text, letters included, and opposite answers.

    A photograph of the lower half by red-cell count is paired with one of the upper half, the threshold drawn between
    the two counts. Whatever a reader makes of the text, it is right for exactly one of the two.
    """
    generator = seeded(seed, "pairs")
    shuffled = [photographs[index] for index in generator.permutation(len(photographs))]
    ranked = sorted(shuffled, key=RED_CELLS.count)
    lower_half, upper_half = ranked[: len(ranked) // 2], ranked[(len(ranked) + 1) // 2 :]
    drafts: list[Draft] = []
    for lower, upper in zip(lower_half, upper_half, strict=True):
        low, high = RED_CELLS.count(lower), RED_CELLS.count(upper)
        if low < high:
            threshold = int(generator.integers(low, high))
            options = (at_most(threshold), more_than(threshold))[:: int(generator.choice([1, -1]))]
            question = f"Does this blood smear show more than {RED_CELLS.phrase(threshold)}?"
            drafts += [Draft(member, "comparison", question, RED_CELLS, options) for member in (lower, upper)]
    return drafts


def to_sample(draft: Draft, *, seed: int, style_shares: Mapping[str, float]) -> Sample:
    """The sample of a question, its rationale in a style drawn by `style_shares`."""
    generator = seeded(seed, f"words/{draft.sample_id}")
    style = Style(str(generator.choice(list(style_shares), p=list(style_shares.values()))))
    answer = next(i for i, option in enumerate(draft.options) if option.holds(draft.count))
    right, wrong = draft.options[answer], [option for i, option in enumerate(draft.options) if i != answer]
    seen = draft.cell.phrase(draft.count)
    argument = Argument(
        seen=(seen,),
        cited=((right.text, right.definition),),
        excluded=tuple((wrong[index].text, seen) for index in generator.permutation(len(wrong))[:2]),
        conclusion=right.text,
    )
    return Sample(
        sample_id=draft.sample_id,
        image_id=draft.photograph.image_id,
        dataset="bccd",
        question_type=draft.question_type,
        question=draft.question,
        options=tuple(option.text for option in draft.options),
        answer=LETTERS[answer],
        rationale=write(argument, style),
        images=(FileImage(draft.photograph.path),),
        findings=_findings(draft),
        region=BoxRegion(draft.photograph, draft.cell.class_name),
    )


def _findings(draft: Draft) -> FindingsTable:
    known = [cell for cell in CELLS if cell.is_known(draft.photograph)]
    shown = frozenset(cell.phrase(cell.count(draft.photograph)) for cell in known)
    counts = range(max(LARGEST_COUNT, *draft.photograph.counts.values()) + 1)
    return FindingsTable(
        shown=shown,
        absent=frozenset(cell.phrase(count) for cell in known for count in counts) - shown,
        relevant=frozenset(draft.cell.phrase(count) for count in counts),
        knowledge={option.text: option.definition for option in draft.options},
        options=tuple(
            OptionFacts(
                subjects=(option.text,),
                excluded_by=frozenset(draft.cell.phrase(count) for count in counts if not option.holds(count)),
            )
            for option in draft.options
        ),
        exclusive=tuple(frozenset(cell.phrase(count) for count in counts) for cell in known),
    )


def _ordered(draft: Draft, place: int, seed: int) -> Draft:
    """The draft with its right option at a place and the others around it, in an order drawn for this sample."""
    right = [option for option in draft.options if option.holds(draft.count)]
    wrong = [option for option in draft.options if not option.holds(draft.count)]
    order = [wrong[index] for index in seeded(seed, f"order/{draft.sample_id}").permutation(len(wrong))]
    return replace(draft, options=(*order[:place], *right, *order[place:]))
