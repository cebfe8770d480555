"""Samplers with one fault each, for the tests of the distribution to catch."""

from dataclasses import replace

import torch

from pathvlm_r1.rollout.sampling import draw, keep_min_p, keep_top_k


def without_temperature(logits, decoding, generator):
    return draw(logits, replace(decoding, temperature=1.0), generator)


def temperature_twice(logits, decoding, generator):
    return draw(logits / decoding.temperature, decoding, generator)


def without_filters(logits, decoding, generator):
    return draw(logits, replace(decoding, top_k=0, top_p=1.0, min_p=0.0), generator)


def one_token_more_in_top_k(logits, decoding, generator):
    return draw(logits, replace(decoding, top_k=decoding.top_k + 1), generator)


def _nucleus_of_another_size(logits, decoding, generator, change):
    """The smallest set that reaches top-p, less or more a token."""
    probabilities = (logits / decoding.temperature).softmax(dim=-1)
    ordered, _ = probabilities.sort(dim=-1, descending=True)
    size = (ordered.cumsum(dim=-1) - ordered < decoding.top_p).sum(dim=-1) + change
    least = ordered.gather(-1, size.clamp(1, ordered.shape[-1])[:, None] - 1)
    return _drawn(probabilities.masked_fill(probabilities < least, 0.0), generator)


def one_token_less_in_top_p(logits, decoding, generator):
    return _nucleus_of_another_size(logits, decoding, generator, change=-1)


def one_token_more_in_top_p(logits, decoding, generator):
    return _nucleus_of_another_size(logits, decoding, generator, change=1)


def min_p_before_temperature(logits, decoding, generator):
    kept = keep_min_p(logits.softmax(dim=-1), decoding.min_p)
    return draw(kept.log(), replace(decoding, min_p=0.0), generator)


def min_p_as_an_absolute_bound(logits, decoding, generator):
    probabilities = (logits / decoding.temperature).softmax(dim=-1)
    return _drawn(torch.where(probabilities >= decoding.min_p, probabilities, 0.0), generator)


def top_k_after_top_p(logits, decoding, generator):
    probabilities = (logits / decoding.temperature).softmax(dim=-1)
    ordered, order = probabilities.sort(dim=-1, descending=True)
    is_beyond = ordered.cumsum(dim=-1) - ordered >= decoding.top_p  # of the whole mass, which top-k would have cut
    nucleus = torch.zeros_like(probabilities).scatter(-1, order, ordered.masked_fill(is_beyond, 0.0))
    return _drawn(keep_top_k(nucleus, decoding.top_k), generator)


def _drawn(probabilities, generator):
    tokens = torch.multinomial(probabilities, 1, generator=generator)
    return tokens[:, 0], probabilities.log().gather(-1, tokens)[:, 0]
