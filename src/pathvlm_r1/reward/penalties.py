"""Penalties, from -1 to 0: on a length outside a band, near the limit, and on repetition."""

from __future__ import annotations

from dataclasses import dataclass

from pathvlm_r1.contract import MAX_SCORED_CHARACTERS
from pathvlm_r1.reward.completion import Completion, Score, unscored


@dataclass(frozen=True)
class SoftOverlong:
    """A penalty that grows with the tokens inside a buffer below the limit.

        free = max_tokens - buffer_tokens
        0 up to free, (free - length) / buffer_tokens up to max_tokens, where it is -1

    Source: Yu et al. 2025 (DAPO), arXiv:2503.14476, equation 13.
    """

    max_tokens: int
    buffer_tokens: int
    name: str = "overlong"

    def __call__(self, completion: Completion) -> Score:
        """From -1 to 0."""
        free = self.max_tokens - self.buffer_tokens
        over = min(max(completion.token_count - free, 0), self.buffer_tokens)
        return Score(-over / self.buffer_tokens, f"{completion.token_count} tokens, {free} are free")


@dataclass(frozen=True)
class LengthBand:
    """A penalty that grows with the distance of the length from a target band.

        0 within [min_tokens, max_tokens], -distance / falloff_tokens outside, -1 from falloff_tokens on

    Source: the distance to a target length of Aggarwal and Welleck 2025 (LCPO), arXiv:2503.04697, section 3, with a
    band in place of one length, and bounded.
    """

    min_tokens: int
    max_tokens: int
    falloff_tokens: int
    name: str = "length"

    def __call__(self, completion: Completion) -> Score:
        """From -1 to 0."""
        tokens = completion.token_count
        outside = max(self.min_tokens - tokens, tokens - self.max_tokens, 0)
        penalty = min(outside / self.falloff_tokens, 1.0)
        return Score(-penalty, f"{tokens} tokens, the band is {self.min_tokens} to {self.max_tokens}")


@dataclass(frozen=True)
class Repetition:
    """A penalty on the share of n-grams that stood before.

        -(1 - different n-grams / n-grams)        of lower-case words; 0 for fewer than n words

    Source: the n-gram repetition penalty of Yeo et al. 2025, arXiv:2502.03373, which charges it token by token, as one
    number for a completion, as in Hugging Face's open-r1.
    """

    ngram_size: int
    name: str = "repetition"

    def __call__(self, completion: Completion) -> Score:
        """Above -1, at most 0; -1 for a text too long to score."""
        if len(completion.text) > MAX_SCORED_CHARACTERS:
            return unscored(completion.text, -1.0)
        share = repeated_share(completion.text, self.ngram_size)
        return Score(-share, f"{share:.0%} of its runs of {self.ngram_size} words stood before")


def repeated_share(text: str, ngram_size: int) -> float:
    """The share of n-grams of lower-case words that stand earlier in the text, in [0, 1); 0 for fewer than n words."""
    words = text.lower().split()
    starts = [words[first:] for first in range(ngram_size)]
    ngrams = list(zip(*starts, strict=False))
    return 1 - len(set(ngrams)) / len(ngrams) if ngrams else 0.0
