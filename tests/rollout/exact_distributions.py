"""What a sampler's draws must follow: exact probabilities, by the library's filters, and the test against them."""

from itertools import product

import torch
from scipy.stats import chisquare
from transformers import LogitsProcessorList, MinPLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pathvlm_r1.model import PromptGroup, token_log_probs

SIGNIFICANCE = 1e-3  # of a right sampler's draws, whose seed is fixed
CAUGHT = 1e-6  # a wrong one is to be seen far beyond chance


def warped(log_probs, decoding):
    """Probabilities [N, V] after the library's own warpers, in its own order; the temperature is in the log-probs."""
    warpers = LogitsProcessorList()
    if decoding.top_k:
        warpers.append(TopKLogitsWarper(decoding.top_k))
    if decoding.top_p < 1:
        warpers.append(TopPLogitsWarper(decoding.top_p))
    if decoding.min_p:
        warpers.append(MinPLogitsWarper(decoding.min_p))
    return warpers(None, log_probs).softmax(dim=-1)


def sequence_probabilities(policy, prompt, decoding, allowed, end_id):
    """Every completion over the allowed tokens -> its exact probability; the policy has the decoding's temperature."""
    going_on = [token for token in allowed if token != end_id]
    lengths = range(decoding.max_completion_tokens)
    open_prefixes = [prefix for length in lengths for prefix in product(going_on, repeat=length)]
    rows = [[*prefix, token] for prefix in open_prefixes for token in allowed]
    with torch.no_grad():
        all_log_probs = token_log_probs(policy, [PromptGroup(prompt, tuple(rows))]).log_probs
    last = torch.stack([log_probs[len(row) - 1] for row, log_probs in zip(rows, all_log_probs, strict=True)])
    following = warped(last.view(len(open_prefixes), len(allowed)), decoding)
    of_prefix, result = {(): 1.0}, {}
    for prefix, probabilities in zip(open_prefixes, following.tolist(), strict=True):
        for token, probability in zip(allowed, probabilities, strict=True):
            sequence = (*prefix, token)
            is_complete = token == end_id or len(sequence) == decoding.max_completion_tokens
            (result if is_complete else of_prefix)[sequence] = of_prefix[prefix] * probability
    return result


def p_value(drawn, probabilities):
    """Of draws (token or sequence -> times) under exact probabilities; 0 where something impossible was drawn.

    What is expected less than five times is one class, as chi-square needs counts.
    """
    count = sum(drawn.values())
    if any(probabilities.get(outcome, 0.0) == 0 for outcome in drawn):
        return 0.0
    frequent = [outcome for outcome, probability in probabilities.items() if probability * count >= 5]
    observed = [drawn.get(outcome, 0) for outcome in frequent]
    expected = [probabilities[outcome] * count for outcome in frequent]
    if count - sum(expected) > 1e-6 * count:
        observed.append(count - sum(observed))
        expected.append(count - sum(expected))
    scale = sum(observed) / sum(expected)  # rounding: chi-square wants equal sums
    return float(chisquare(observed, [value * scale for value in expected]).pvalue)
