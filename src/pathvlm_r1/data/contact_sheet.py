"""Contact sheets: samples on one picture, each with its question, options, answer and findings below it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from pathvlm_r1.data.montage import montage
from pathvlm_r1.data.sample import Sample

COLUMNS = 6  # of one sheet, at most
COLOURS = 256  # of a finished sheet: with all of them, noisy pictures take three times the room
PICTURE = 224  # pixels a side of the space for a picture
MARGIN = 12
FONT_SIZE = 13
HEADING_SIZE = 18
HEADING_ROOM = 2 * HEADING_SIZE  # pixels: descenders hang below the size
LINE = 17  # pixels from line to line
INK, ANSWER, QUIET = "#1a1a1a", "#0a6b2d", "#5f6b7a"


@dataclass(frozen=True)
class Line:
    """One line of a caption."""

    text: str
    colour: str


def modality_sheet(datasets: Mapping[str, Sequence[Sample]]) -> Image.Image:
    """Contact sheets of several datasets below each other, each under its name."""
    sheets = [_headed(name, contact_sheet(samples)) for name, samples in datasets.items()]
    # a median cut would give the few pixels of a rare finding the colour of something else
    return _stacked(sheets).quantize(COLOURS, Image.Quantize.MAXCOVERAGE, kmeans=3, dither=Image.Dither.NONE)


def contact_sheet(samples: Sequence[Sample]) -> Image.Image:
    """The samples in rows of at most COLUMNS.

    Raises:
        DatasetError: a picture that cannot be read.
        ValueError: no samples.
    """
    if not samples:
        raise ValueError("there are no samples to show")
    rows = [samples[start : start + COLUMNS] for start in range(0, len(samples), COLUMNS)]
    return _stacked([_beside([_card(sample) for sample in row]) for row in rows])


def caption(sample: Sample) -> list[Line]:
    """Question, options with the right one marked, and what the picture shows, as lines of a picture's width."""
    lines = [Line(text, INK) for text in _wrapped(sample.question)]
    for letter, option in zip(sample.letters, sample.options, strict=True):
        is_answer = letter == sample.answer
        marked = f"{letter}) {option}" + ("  (answer)" if is_answer else "")
        lines += [Line(text, ANSWER if is_answer else INK) for text in _wrapped(marked)]
    if sample.findings is not None:
        shown = ", ".join(sorted(sample.findings.shown)) or "nothing"
        lines += [Line(text, QUIET) for text in _wrapped(f"Shows: {shown}")]
    return lines


def _card(sample: Sample) -> Image.Image:
    lines = caption(sample)
    card = Image.new("RGB", (PICTURE, PICTURE + MARGIN // 2 + LINE * len(lines) + LINE // 3), "white")
    card.paste(_fitted(montage([image.load() for image in sample.images])), (0, 0))
    draw, font = ImageDraw.Draw(card), ImageFont.load_default(FONT_SIZE)
    for index, line in enumerate(lines):
        draw.text((0, PICTURE + MARGIN // 2 + LINE * index), line.text, fill=line.colour, font=font)
    return card


def _fitted(picture: Image.Image) -> Image.Image:
    """The whole picture; a small one by a whole factor, so that its pixels are seen as they are."""
    scale = PICTURE / max(picture.size)
    if scale >= 1:
        return picture.resize((picture.width * int(scale), picture.height * int(scale)), Image.Resampling.NEAREST)
    width, height = (max(1, round(side * scale)) for side in picture.size)
    return picture.resize((width, height), Image.Resampling.LANCZOS)


def _wrapped(text: str) -> list[str]:
    """The text in lines that fit below a picture; a word that is wider than that is cut."""
    font, lines = ImageFont.load_default(FONT_SIZE), [""]
    for word in text.split():
        longer = f"{lines[-1]} {word}".strip()
        if font.getlength(longer) <= PICTURE:
            lines[-1] = longer
            continue
        lines.append("")
        for letter in word:
            if font.getlength(lines[-1] + letter) > PICTURE:
                lines.append("")
            lines[-1] += letter
    return [line for line in lines if line]


def _headed(name: str, sheet: Image.Image) -> Image.Image:
    headed = Image.new("RGB", (sheet.width, sheet.height + HEADING_ROOM), "white")
    font = ImageFont.load_default(HEADING_SIZE)
    ImageDraw.Draw(headed).text((MARGIN, MARGIN), name, fill=INK, font=font)
    headed.paste(sheet, (0, HEADING_ROOM))
    return headed


def _beside(cards: Sequence[Image.Image]) -> Image.Image:
    height = max(card.height for card in cards) + 2 * MARGIN
    row = Image.new("RGB", (MARGIN + sum(card.width + MARGIN for card in cards), height), "white")
    for index, card in enumerate(cards):
        row.paste(card, (MARGIN + index * (card.width + MARGIN), MARGIN))
    return row


def _stacked(rows: Sequence[Image.Image]) -> Image.Image:
    sheet = Image.new("RGB", (max(row.width for row in rows), sum(row.height for row in rows)), "white")
    top = 0
    for row in rows:
        sheet.paste(row, (0, top))
        top += row.height
    return sheet
