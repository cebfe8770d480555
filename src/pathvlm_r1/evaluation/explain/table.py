"""Tables of what maps and controls are worth, for the terminal and as Markdown."""

from __future__ import annotations

from rich.box import SIMPLE
from rich.table import Table

from pathvlm_r1.evaluation.explain.explaining import ATTENTION_METHODS
from pathvlm_r1.evaluation.explain.summary import Explanations, MethodRow
from pathvlm_r1.evaluation.markdown_cells import markdown_table
from pathvlm_r1.evaluation.readiness import Estimate

_METHOD_HEADER = ("map", "deletion", "retention", "checks", "pointing", "over chance", "energy", "over chance")
_CONTROL_HEADER = ("picture", "n", "margin", "margin lost", "accuracy", "accuracy lost")
_LEGEND = (
    "Maps are of the right option. Deletion and retention: by how many nats the map's places matter more than the same "
    "shapes moved elsewhere, when they alone are taken out and when they alone are left; mean over the shares of the "
    "area. A map is validated where both intervals lie above 0. Pointing: share of questions whose highest pixel lies in "
    "the region that decides; energy: share of the map's positive values that does; chance is the region's area. `random` "
    "knows nothing of the picture. 95 % intervals, pictures resampled."
)
_CONTROLS_LEGEND = (
    "Margin of the right option against the others together, in nats. Another picture: the most alike one with another "
    "right option. Shuffled: the picture cut into pieces that change places."
)


def explanations_tables(found: Explanations) -> tuple[Table, Table]:
    """Maps, and controls, for the terminal."""
    tables = []
    for header, rows in ((_METHOD_HEADER, _method_rows(found)), (_CONTROL_HEADER, _control_rows(found))):
        table = Table(*header, box=SIMPLE, pad_edge=False)
        for row in rows:
            table.add_row(*row)
        tables.append(table)
    return tables[0], tables[1]


def explanations_markdown(found: Explanations, asked: str) -> str:
    """The same as a page; `asked` says of whom and what."""
    sections = [
        "# Where the model looks",
        asked,
        *([regions_sentence(found)]),
        _LEGEND,
        markdown_table(_METHOD_HEADER, _method_rows(found)),
        *attention_sentences(found),
        "## Other pictures",
        _CONTROLS_LEGEND,
        markdown_table(_CONTROL_HEADER, _control_rows(found)),
    ]
    return "\n\n".join(sections) + "\n"


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


def _method_rows(found: Explanations) -> list[list[str]]:
    return [
        [
            row.method, _signed(row.deletion), _signed(row.retention), _checks(row), _plain(row.pointing),
            _signed(row.pointing_gain), _plain(row.energy), _signed(row.energy_gain),
        ]
        for row in found.methods
    ]  # fmt: skip


def _control_rows(found: Explanations) -> list[list[str]]:
    own = ["its own", str(found.n), f"{found.margin:.3f}", "-", f"{found.accuracy:.3f}", "-"]
    return [
        own,
        *(
            [
                row.control, str(row.n), f"{row.margin:.3f}", _signed(row.margin_drop), f"{row.accuracy:.3f}",
                _signed(row.accuracy_drop),
            ]
            for row in found.controls
        ),
    ]  # fmt: skip


def _checks(row: MethodRow) -> str:
    return "validated" if row.is_validated else "not validated"


def _signed(estimate: Estimate | None) -> str:
    return _cell(estimate, "+")


def _plain(estimate: Estimate | None) -> str:
    return _cell(estimate, "")


def _cell(estimate: Estimate | None, sign: str) -> str:
    if estimate is None:
        return "-"
    if estimate.low is None or estimate.high is None:
        return f"{estimate.value:{sign}.3f}"
    return f"{estimate.value:{sign}.3f} [{estimate.low:{sign}.3f}, {estimate.high:{sign}.3f}]"
