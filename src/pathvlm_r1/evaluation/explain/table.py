"""Tables of what maps and controls are worth, for the terminal and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.explain.explaining import ATTENTION_METHODS
from pathvlm_r1.evaluation.explain.summary import Explanations, MethodRow
from pathvlm_r1.evaluation.markdown_cells import markdown_table
from pathvlm_r1.evaluation.readiness import Estimate

_CHECKS_LEGEND = (
    "Maps are of the right option. Deletion and retention: by how many nats the map's places matter more than the same "
    "shapes moved elsewhere, when they alone are taken out and when they alone are left; mean over the shares of the "
    "area. A map is validated where both intervals lie above 0. `random` knows nothing of the picture. Intervals are "
    "95 %, pictures resampled."
)
_REGIONS_LEGEND = (
    "Pointing: share of questions whose highest pixel lies in the region that decides. Energy: share of the map's "
    "positive values that does. Chance is the region's share of the area."
)
_CONTROLS_LEGEND = (
    "Margin of the right option against the others together, in nats. Another picture: the most alike one with another "
    "right option. Shuffled: the picture cut into pieces that change places."
)
_CHECKS = ("map", "deletion", "retention", "checks")
_REGIONS = ("map", "pointing", "over chance", "energy", "over chance")
_CONTROLS = ("picture", "n", "margin lost", "accuracy lost")


def explanations_tables(found: Explanations) -> list[Table]:
    """Checks, regions where there are any, and other pictures, for a terminal of 80 columns."""
    regions = [[*row[:1], _number(m.pointing), row[2], _number(m.energy), row[4]] for m, row in _region_rows(found)]
    controls = [[name, n, lost, accuracy_lost] for name, n, _, lost, _, accuracy_lost in _control_rows(found)]
    contents = ((_CHECKS, _check_rows(found)), (_REGIONS, regions), (_CONTROLS, controls))
    return [_table(header, rows) for header, rows in contents if rows]


def explanations_markdown(found: Explanations, asked: str) -> str:
    """The same with all numbers, as a page; `asked` says of whom and what."""
    controls_header = ("picture", "n", "margin", "margin lost", "accuracy", "accuracy lost")
    own = ["its own", str(found.n), f"{found.margin:.3f}", "-", f"{found.accuracy:.3f}", "-"]
    regions = [row for _, row in _region_rows(found)]
    sections = [
        "# Where the model looks",
        asked,
        "## Checks of the maps",
        _CHECKS_LEGEND,
        markdown_table(_CHECKS, _check_rows(found)),
        *attention_sentences(found),
        "## True regions",
        regions_sentence(found),
        *([_REGIONS_LEGEND, markdown_table(_REGIONS, regions)] if regions else []),
        "## Other pictures",
        _CONTROLS_LEGEND,
        markdown_table(controls_header, [own, *_control_rows(found)]),
    ]
    return "\n\n".join(sections) + "\n"


def own_sentence(found: Explanations) -> str:
    """How the options compare with the questions' own pictures."""
    return (
        f"With its own picture the right option has a margin of {found.margin:+.3f} nats and is the likeliest in "
        f"{found.accuracy:.3f} of {found.n} questions."
    )


def regions_sentence(found: Explanations) -> str:
    """How many questions can say whether a map lies in the right place."""
    row = found.methods[0]
    if row.area is None:
        return f"None of {found.n} questions has a region that is known to decide: where maps should lie is not known."
    return (
        f"{row.n_regions} of {found.n} questions have a region that is known to decide, "
        f"{row.area:.0%} of the picture on average."
    )


def attention_sentences(found: Explanations) -> list[str]:
    """What has to stand beside every map of attention."""
    return [f"{row.method}: {validation(row)}." for row in found.methods if row.method in ATTENTION_METHODS]


def validation(row: MethodRow) -> str:
    """Whether a map passed its checks, with their numbers."""
    numbers = f"deletion {_signed(row.deletion)}, retention {_signed(row.retention)} nats"
    return f"{_checks(row)}, {numbers}"


def _check_rows(found: Explanations) -> list[list[str]]:
    return [[row.method, _signed(row.deletion), _signed(row.retention), _checks(row)] for row in found.methods]


def _region_rows(found: Explanations) -> list[tuple[MethodRow, list[str]]]:
    """With the row that each is of; none where no question has a region."""
    return [
        (row, [row.method, _plain(row.pointing), _signed(row.pointing_gain), _plain(row.energy),
               _signed(row.energy_gain)])
        for row in found.methods
        if row.n_regions
    ]  # fmt: skip


def _control_rows(found: Explanations) -> list[list[str]]:
    return [
        [
            row.control, str(row.n), f"{row.margin:.3f}", _signed(row.margin_drop), f"{row.accuracy:.3f}",
            _signed(row.accuracy_drop),
        ]
        for row in found.controls
    ]  # fmt: skip


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    table = Table(*header, box=SIMPLE, pad_edge=False, padding=(0, 1, 0, 0))
    for row in rows:
        table.add_row(*row)
    return table


def _checks(row: MethodRow) -> str:
    return "validated" if row.is_validated else "not validated"


def _signed(estimate: Estimate | None) -> str:
    return _cell(estimate, "+")


def _plain(estimate: Estimate | None) -> str:
    return _cell(estimate, "")


def _number(estimate: Estimate | None) -> str:
    return "-" if estimate is None else f"{estimate.value:.3f}"


def _cell(estimate: Estimate | None, sign: str) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{sign}.3f}"
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"
