"""Many tests in one table: Holm's correction, under which the whole table rarely holds a false claim."""

from __future__ import annotations

from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust p values for how many stand in one table, in the order given.

        adjusted p(i) = max over j <= i of min(1, (m - j + 1) p(j)),  p(1) <= ... <= p(m)

    Claims at adjusted p <= 0.05 hold a false one in at most 5 % of such tables, however the tests depend on each other.

    Args:
        p_values: of the m tests of a table, each in [0, 1]; there may be none.

    Raises:
        ValueError: a number that is no p value.

    Source: Holm 1979, A simple sequentially rejective multiple test procedure, Scandinavian Journal of Statistics 6.
    """
    wrong = [p for p in p_values if not 0 <= p <= 1]
    if wrong:
        raise ValueError(f"p_values has {wrong[0]}: a p value is from 0 to 1")
    adjusted, least = dict[int, float](), 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=lambda place: p_values[place])):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[place]))  # no smaller than those before it
        adjusted[place] = least
    return tuple(adjusted[place] for place in range(len(p_values)))
