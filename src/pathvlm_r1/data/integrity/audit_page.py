"""An audit as one HTML file: what text alone scores, what splits share, and the shared pictures side by side."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from PIL import Image

from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.data.integrity.floors import Floors
from pathvlm_r1.data.integrity.overlaps import Overlap, Picture, SharedPair

SHOWN_PAIRS = 30  # of every overlap, the nearest
PICTURE = 192  # pixels of the longer side
_STYLE = """
body { font: 15px/1.45 system-ui, sans-serif; max-width: 70rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a }
table { border-collapse: collapse; margin: 1rem 0 } th, td { padding: .25rem .7rem; text-align: right }
th { border-bottom: 1px solid #888 } td:first-child, th:first-child { text-align: left }
.pairs { display: flex; flex-wrap: wrap; gap: 1rem } figure { margin: 0; border: 1px solid #ccc; padding: .5rem }
figure img { vertical-align: top; margin-right: .3rem } figcaption { max-width: 26rem; overflow-wrap: anywhere }
.none { color: #5f6b7a } .found { color: #a03000; font-weight: 600 }
"""


@dataclass(frozen=True)
class Audit:
    """What was found in a dataset and those that it was held against."""

    dataset: str
    collections: Mapping[str, int]  # name -> pictures
    floors: Mapping[str, Floors | None]  # set -> None where it is too small, or asks nothing with options
    overlaps: Sequence[Overlap]
    remarks: Sequence[str]  # what a reader must know besides


def audit_page(audit: Audit) -> str:
    """The page; pictures are part of it, and it loads nothing."""
    body = [
        f"<h1>Audit of {escape(audit.dataset)}</h1>",
        *(f"<p>{escape(remark)}</p>" for remark in audit.remarks),
        "<h2>Without looking at a picture</h2>",
        *_floor_rows(audit.floors),
        "<h2>Shared pictures</h2>",
        *_overlap_rows(audit),
        *(part for overlap in audit.overlaps if overlap.pairs for part in _pairs(overlap)),
    ]
    title = f"<title>Audit of {escape(audit.dataset)}</title>"
    head = f'<meta charset="utf-8">{title}<style>{_STYLE}</style>'
    return f'<!doctype html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(body) + "\n</body></html>\n"


def _floor_rows(floors: Mapping[str, Floors | None]) -> Iterator[str]:
    for name, one in floors.items():
        said = one.sentence if one is not None else "no two images have questions with options: no floor"
        yield f"<p><b>{escape(name)}</b>: {escape(said)}</p>"
    known = {name: one for name, one in floors.items() if one is not None}
    if known:
        rules = next(iter(known.values())).rules
        heads = ["set", "questions", "images", "chance", *rules, "letters", "p"]
        yield f"<table><tr>{''.join(f'<th>{escape(head)}</th>' for head in heads)}</tr>"
        for name, one in known.items():
            letters = " ".join(f"{letter} {count}" for letter, count in one.letters.items())
            values = [f"{value:.3f}" for value in (one.chance, *one.rules.values())]
            cells = [name, str(one.questions), str(one.groups), *values, letters, f"{one.letters_p:.3g}"]
            yield f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in cells)}</tr>"
        yield "</table>"


def _overlap_rows(audit: Audit) -> Iterator[str]:
    """A row for every two collections, a column for every key."""
    keys = list(dict.fromkeys(overlap.key for overlap in audit.overlaps))
    yield f"<table><tr><th>shared by</th>{''.join(f'<th>{key}</th>' for key in keys)}</tr>"
    counts = {(one.left, one.right, one.key): len(one.pairs) for one in audit.overlaps}
    for left, right in dict.fromkeys((one.left, one.right) for one in audit.overlaps):
        cells = "".join(_count(counts[left, right, key]) for key in keys)
        sizes = f"{escape(left)} ({audit.collections[left]}) and {escape(right)} ({audit.collections[right]})"
        yield f"<tr><td>{sizes}</td>{cells}</tr>"
    yield "</table>"


def _count(count: int) -> str:
    return f'<td class="{"found" if count else "none"}">{count}</td>'


def _pairs(overlap: Overlap) -> Iterator[str]:
    shown = overlap.pairs[:SHOWN_PAIRS]
    more = f", the first {len(shown)}" if len(overlap.pairs) > len(shown) else ""
    count = f"{len(overlap.pairs)} by {overlap.key}{more}"
    yield f"<h3>{escape(overlap.left)} and {escape(overlap.right)}: {count}</h3>"
    yield f'<div class="pairs">{"".join(_figure(pair) for pair in shown)}</div>'


def _figure(pair: SharedPair) -> str:
    apart = "" if pair.distance is None else f"<br>{pair.distance} of 256 bits differ"
    names = "<br>".join(escape(_label(picture)) for picture in (pair.left, pair.right))
    return f"<figure>{_image(pair.left)}{_image(pair.right)}<figcaption>{names}{apart}</figcaption></figure>"


def _label(picture: Picture) -> str:
    path = picture.keys.path
    return picture.record if path is None or path.name in picture.record else f"{picture.record} ({path.name})"


def _image(picture: Picture) -> str:
    """The picture as it is loaded for a model, made smaller; nothing where only its name or hash is known."""
    if picture.source is None:
        return "<span>(not at hand)</span>"
    try:
        loaded = picture.source.load()
    except DatasetError as error:  # it was opened before: the file has gone meanwhile
        return f"<span>{escape(str(error))}</span>"
    loaded.thumbnail((PICTURE, PICTURE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    loaded.save(buffer, "JPEG", quality=80)
    data = base64.b64encode(buffer.getvalue()).decode()
    return f'<img alt="" width="{loaded.width}" height="{loaded.height}" src="data:image/jpeg;base64,{data}">'
