from collections import Counter

import pytest
import torch
from exact_distributions import CAUGHT, SIGNIFICANCE, p_value, warped
from torch.testing import assert_close
from wrong_samplers import (
    min_p_as_an_absolute_bound,
    min_p_before_temperature,
    one_token_less_in_top_p,
    one_token_more_in_top_k,
    one_token_more_in_top_p,
    temperature_twice,
    top_k_after_top_p,
    without_filters,
    without_temperature,
)

from pathvlm_r1.rollout import Decoding
from pathvlm_r1.rollout.sampling import draw, filtered, ids_by_share, keep_min_p, keep_top_k, keep_top_p

DRAWS = 20_000
SKEWED = torch.tensor([0.30, 0.22, 0.16, 0.11, 0.08, 0.06, 0.04, 0.02, 0.01, 0.0], dtype=torch.float64)
FILTERS = [
    {}, {"top_k": 3}, {"top_k": 50}, {"top_p": 0.6}, {"min_p": 0.3}, {"top_k": 6, "top_p": 0.8},
    {"top_p": 0.9, "min_p": 0.25}, {"top_k": 4, "top_p": 0.7, "min_p": 0.6},
]  # fmt: skip


def random_rows(count=200, seed=0):
    """Probabilities [count, 10] from flat to peaked."""
    random = torch.Generator().manual_seed(seed)
    powers = 1 + 4 * torch.rand(count, 1, generator=random, dtype=torch.float64)
    rows = torch.rand(count, 10, generator=random, dtype=torch.float64).pow(powers)
    return rows / rows.sum(dim=-1, keepdim=True)


def times(tokens):
    return Counter(tokens.tolist())


def exact(logits, decoding):
    """Token -> its probability under the library's filters."""
    log_probs = (logits / decoding.temperature).log_softmax(dim=-1)
    return dict(enumerate(warped(log_probs[None], decoding)[0].tolist()))


@pytest.mark.medium
@pytest.mark.parametrize("filters", FILTERS, ids=str)
@pytest.mark.parametrize("temperature", [1.0, 0.7, 1.5])
def test_draws_follow_the_exact_distribution_with_log_probs_of_the_whole(temperature, filters):
    decoding, logits = Decoding(1, temperature, **filters), SKEWED.log()
    tokens, log_probs = draw(logits.expand(DRAWS, -1), decoding, torch.Generator().manual_seed(0))
    assert p_value(times(tokens), exact(logits, decoding)) > SIGNIFICANCE
    assert_close(log_probs, (logits / temperature).log_softmax(dim=-1)[tokens], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    ("wrong", "filters"),
    [
        (without_temperature, {}),
        (temperature_twice, {}),
        (without_filters, {"top_p": 0.9}),
        (without_filters, {"min_p": 0.1}),
        (one_token_more_in_top_k, {"top_k": 3}),
        (one_token_less_in_top_p, {"top_p": 0.6}),
        (one_token_more_in_top_p, {"top_p": 0.6}),
        (min_p_before_temperature, {"min_p": 0.2}),
        (min_p_as_an_absolute_bound, {"min_p": 0.2}),
        (top_k_after_top_p, {"top_k": 6, "top_p": 0.8}),
    ],
    ids=lambda value: getattr(value, "__name__", str(value)),
)
def test_a_sampler_with_one_fault_is_caught(wrong, filters):
    decoding, logits = Decoding(1, 0.7, **filters), SKEWED.log()
    tokens, _ = wrong(logits.expand(DRAWS, -1), decoding, torch.Generator().manual_seed(0))
    assert p_value(times(tokens), exact(logits, decoding)) < CAUGHT


@pytest.mark.medium
def test_an_id_without_probability_is_never_drawn_and_each_other_at_its_share_of_a_large_vocabulary():
    weights = torch.rand(1, 30_000, generator=torch.Generator().manual_seed(1))
    weights[:, ::3], weights[:, 0], weights[:, -1] = 0, 0, 0
    ids = torch.cat([ids_by_share(weights.expand(200, -1), torch.Generator().manual_seed(seed)) for seed in range(50)])
    assert (weights[0, ids] > 0).all()
    shares = weights[0].double() / weights.double().sum()
    by_block = {block: float(share) for block, share in enumerate(shares.view(20, -1).sum(dim=-1))}
    assert p_value(times(ids // 1500), by_block) > SIGNIFICANCE


@pytest.mark.parametrize(("place", "ids"), [(1 - 2**-53, [1, 2]), (0.0, [1, 0])])
def test_the_ends_of_the_random_numbers_are_ids_with_probability(monkeypatch, place, ids):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, place, dtype=torch.float64))
    assert ids_by_share(torch.tensor([[0.0, 0.9, 0.0], [0.2, 0.3, 0.5]]), torch.Generator()).tolist() == ids


def test_small_weights_behind_large_ones_keep_their_share():
    """In float32 the sums of these would not grow."""
    weights = torch.cat([torch.ones(1), torch.full((2**20,), 2.0**-25)])[None]
    # Numbers: tensors that are kept between the large ones can hold on to the memory of all of these.
    ids = [int(ids_by_share(weights, torch.Generator().manual_seed(seed))) for seed in range(2000)]
    share = 2.0**-5 / (1 + 2.0**-5)
    small = [token for token in ids if token > 0]
    assert p_value(Counter(token > 0 for token in ids), {False: 1 - share, True: share}) > SIGNIFICANCE
    assert len(set(small)) == len(small), "no two fell on one place of a coarse sum"


@pytest.mark.parametrize("logits", [[0.0, torch.nan], [-torch.inf, -torch.inf]])
def test_probabilities_without_a_finite_sum_are_refused(logits):
    with pytest.raises(ValueError, match="no finite sum"):
        draw(torch.tensor([logits]), Decoding(1, 1.0), torch.Generator())


def test_weights_of_nothing_are_refused():
    with pytest.raises(ValueError, match="no finite sum"):
        ids_by_share(torch.zeros(2, 3), torch.Generator())


def test_a_repetition_penalty_and_a_temperature_that_is_some_percent_off_are_caught():
    logits, count = SKEWED[:-1].log(), 200_000  # such faults do not show for certain in fewer draws
    penalised = logits.clone()
    penalised[0] *= 1.05
    for wrong in (logits / 1.05, penalised):
        tokens, _ = draw(wrong.expand(count, -1), Decoding(1, 1.0), torch.Generator().manual_seed(0))
        assert p_value(times(tokens), exact(logits, Decoding(1, 1.0))) < SIGNIFICANCE


@pytest.mark.parametrize("filters", FILTERS, ids=str)
def test_the_filters_are_those_of_the_library_in_its_order(filters):
    decoding, rows = Decoding(1, 1.0, **filters), random_rows()
    kept = filtered(rows, decoding)
    assert torch.equal(kept[kept > 0], rows[kept > 0])
    assert_close(kept / kept.sum(dim=-1, keepdim=True), warped(rows.log(), decoding), rtol=0, atol=1e-12)


def test_in_another_order_the_filters_keep_another_set():
    rows = random_rows()
    in_order = keep_top_p(keep_top_k(rows, 4), 0.8)
    assert not torch.equal(in_order > 0, keep_top_k(keep_top_p(rows, 0.8), 4) > 0)


def brute_force_nucleus(probabilities, top_p):
    """The likeliest tokens, one after another until their sum reaches top_p."""
    support, total = set(), 0.0
    for token in sorted(range(len(probabilities)), key=lambda index: -probabilities[index]):
        if total >= top_p:
            break
        support.add(token)
        total += probabilities[token]
    return support


@pytest.mark.parametrize("top_p", [1e-9, 0.29, 0.31, 0.5, 0.9, 0.999])
def test_the_nucleus_is_the_smallest_likeliest_set_that_reaches_top_p(top_p):
    rows = torch.cat([SKEWED[torch.randperm(10, generator=torch.Generator().manual_seed(0))][None], random_rows()])
    for row, probabilities in zip(keep_top_p(rows, top_p), rows, strict=True):
        assert set(row.nonzero()[:, 0].tolist()) == brute_force_nucleus(probabilities.tolist(), top_p)


TIED = torch.tensor([[0.125, 0.25, 0.25, 0.125, 0.25]], dtype=torch.float64)


def kept_ids(probabilities):
    return probabilities[0].nonzero()[:, 0].tolist()


def test_what_is_as_likely_as_the_last_of_top_k_stays_as_in_the_library():
    assert kept_ids(keep_top_k(TIED, 2)) == kept_ids(warped(TIED.log(), Decoding(1, 1.0, top_k=2))) == [1, 2, 4]


def test_of_equally_likely_tokens_at_the_edge_of_the_nucleus_the_lowest_ids_stay():
    """The library keeps as many, in the order of a sort that is not stable."""
    assert kept_ids(keep_top_p(TIED, 0.5)) == [1, 2]
    assert kept_ids(keep_top_p(TIED, 0.8)) == [0, 1, 2, 4]
    assert len(kept_ids(warped(TIED.log(), Decoding(1, 1.0, top_p=0.8)))) == 4


def test_what_is_exactly_min_p_times_as_likely_stays_as_in_the_library():
    assert kept_ids(keep_min_p(TIED, 0.5)) == kept_ids(warped(TIED.log(), Decoding(1, 1.0, min_p=0.5))) == [*range(5)]
    assert kept_ids(keep_min_p(TIED, 0.51)) == [1, 2, 4]


@pytest.mark.parametrize("filters", [{"top_k": 1}, {"top_p": 1e-6}, {"min_p": 1.0}])
def test_the_likeliest_token_always_stays(filters):
    tokens, _ = draw(random_rows().log(), Decoding(1, 5.0, **filters), torch.Generator().manual_seed(0))
    assert torch.equal(tokens, random_rows().argmax(dim=-1))


def test_suppressed_tokens_stay_out_of_wide_filters():
    logits = torch.where(torch.arange(10) < 3, 0.0, -torch.inf).expand(1000, -1)
    for filters in ({"top_k": 8}, {"top_p": 0.999999}, {"min_p": 1e-9}):
        tokens, _ = draw(logits, Decoding(1, 1.0, **filters), torch.Generator().manual_seed(0))
        assert set(tokens.tolist()) == {0, 1, 2}


def test_greedy_takes_the_likeliest_token_whatever_the_generator_and_the_filters():
    for filters in ({}, {"top_k": 3, "top_p": 0.5, "min_p": 0.5}):
        tokens, log_probs = draw(SKEWED.log().expand(3, -1), Decoding(1, 0.0, **filters), torch.Generator())
        assert tokens.tolist() == [0, 0, 0]
        assert_close(log_probs, SKEWED.log()[tokens])
