"""Asks and scores questions that PathVLM-R1 exported, within lmms-eval; it needs nothing but Python.

lmms-eval finds these functions by their names, from the YAML file beside this one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

ANSWER = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
THINKING = re.compile(r"<think>.*?</think>", re.DOTALL)
LETTER_AND_TEXT = re.compile(r"\(?([A-I])(?:[).:\]]\s*|\s+)(.+)$", re.DOTALL)
LONE_LETTER = re.compile(r"(?<![\w-])([A-I])(?![\w-])")
LETTERS = "ABCDEFGHI"


def doc_to_visual(doc: Mapping[str, Any]) -> list[Any]:
    """The pictures of a question, in their order."""
    return [picture.convert("RGB") for picture in doc["images"]]


def doc_to_text(doc: Mapping[str, Any], lmms_eval_specific_kwargs: Mapping[str, str] | None = None) -> str:
    """The question with its options as training asks it, between what the YAML file puts before and behind it."""
    around, choices = lmms_eval_specific_kwargs or {}, doc["choices"]
    text = doc["problem"].replace("<image>", "").strip()
    if len(choices) == 1:
        return f"{around.get('pre_prompt', '')}{text}{around.get('open_post_prompt', '')}"
    listed = "\n".join(f"{letter}) {choice}" for letter, choice in zip(LETTERS, choices, strict=False))
    question = text.removesuffix(listed)
    return f"{around.get('pre_prompt', '')}{question}Options:\n{listed}{around.get('post_prompt', '')}"


def doc_to_target(doc: Mapping[str, Any]) -> str:
    """The letter of the right option, or the reference answer of an open question."""
    return str(doc["answer"])


def process_results(doc: Mapping[str, Any], results: Sequence[str]) -> dict[str, float]:
    """1 where the answer is the reference, else 0; one that cannot be read, or is not one answer, is wrong."""
    answer = read_answer(results[0], doc["choices"])
    return {"accuracy": float(answer is not None and answer == normal(doc["answer"]))}


def read_answer(text: str, choices: Sequence[str]) -> str | None:
    """The one answer that a text gives, in the form of `normal`; None where it gives none, or several.

    It is what stands in answer tags, else what stands behind the reasoning. Of several choices a letter counts, the
    letter with that option's text, or the text alone; without tags also the only letter that stands alone.
    """
    blocks = {block.strip() for block in ANSWER.findall(text)}
    if len(blocks) > 1:
        return None
    said = blocks.pop() if blocks else THINKING.sub("", text).strip()
    if len(choices) == 1:
        return normal(said)
    by_letter = dict(zip(LETTERS, map(normal, choices), strict=False))
    bare, both = said.strip(" \t\r\n.:;,)(]["), LETTER_AND_TEXT.match(said)
    if bare in by_letter:
        return normal(bare)
    if both and both[1] in by_letter and normal(both[2]) in by_letter.values():
        return normal(both[1]) if by_letter[both[1]] == normal(both[2]) else None
    named = [letter for letter, choice in by_letter.items() if choice == normal(said)]
    lone = [] if ANSWER.search(text) else sorted(set(LONE_LETTER.findall(said)))
    found = named or lone
    return normal(found[0]) if len(found) == 1 and found[0] in by_letter else None


def normal(text: str) -> str:
    """A text as it is compared: case, white space and a final full stop say nothing."""
    return " ".join(text.split()).strip(" .").casefold()  # as our contract; this module stands alone in an export
