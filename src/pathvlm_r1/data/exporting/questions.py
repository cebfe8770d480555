"""What a question is in every format: a text with its options, a gold answer, and a reference completion."""

from __future__ import annotations

from pathlib import Path

from pathvlm_r1.data.formats.questions import IMAGE_MARK, Asked, Pictures, sample_of
from pathvlm_r1.data.records import ImageFolder, Reading, RecordFault
from pathvlm_r1.data.sample import Sample

_ANY_PICTURE = b"-"  # only its place counts where a text is tried


def asked_text(sample: Sample) -> str:
    """The question with its options, a line each; no instruction, which every program has its own of."""
    if sample.is_open:
        return sample.question
    options = (f"{letter}) {text}" for letter, text in zip(sample.letters, sample.options, strict=True))
    return "\n".join([sample.question, *options])


def marked_text(sample: Sample) -> str:
    """The same behind a mark for each picture."""
    return IMAGE_MARK * len(sample.images) + asked_text(sample)


def gold(sample: Sample) -> str:
    """The letter of the right option; of an open question the reference answer."""
    return sample.option(sample.answer) if sample.is_open else sample.answer


def reference(sample: Sample) -> str:
    """What a model learns to say: the answer behind its reasoning, in tags; where there is none, the answer alone."""
    if not sample.rationale:
        return gold(sample)
    return f"<think>{sample.rationale}</think><answer>{gold(sample)}</answer>"


def unreadable(sample: Sample) -> str | None:
    """Why a reader would not get the question back as it is, None where it would.

    A text with options has to be taken apart again, which options that hold lines with letters, for one, do not allow.
    """
    asked = Asked(marked_text(sample), reference(sample), [_ANY_PICTURE] * len(sample.images))
    try:
        again = sample_of(asked, sample.sample_id, sample.dataset, Pictures(ImageFolder(Path())), Reading())
        Reading().add(again)
    except RecordFault as fault:
        return str(fault)
    for name in ("question", "options", "answer", "rationale"):
        sent, got = getattr(sample, name), getattr(again, name)
        if sent != got:
            return f"its {name} {sent!r} would be read back as {got!r}"
    return None
