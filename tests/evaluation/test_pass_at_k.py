from itertools import combinations
from statistics import mean

import numpy as np
import pytest

from pathvlm_r1.evaluation.pass_at_k import ks_up_to, pass_at_k

CASES = [(n, c, k) for n in range(1, 8) for c in range(n + 1) for k in range(1, n + 1)]


@pytest.mark.parametrize(("n", "c", "k"), CASES)
def test_it_is_the_share_of_all_subsets_that_hold_a_right_completion(n, c, k):
    is_right = [True] * c + [False] * (n - c)
    enumerated = mean(any(subset) for subset in combinations(is_right, k))
    assert pass_at_k(n, c, k) == pytest.approx(enumerated, abs=1e-12)


def expected_over_draws(estimate, p, n, k):
    """The mean of an estimate from n completions that are right with probability p."""
    binomial = np.array([float(np.prod([(n - i) / (i + 1) for i in range(c)])) for c in range(n + 1)])
    weights = binomial * p ** np.arange(n + 1) * (1 - p) ** (n - np.arange(n + 1))
    return float(sum(weight * estimate(n, c, k) for c, weight in enumerate(weights)))


@pytest.mark.parametrize("k", [1, 2, 4, 8])
def test_its_mean_over_draws_is_the_probability_itself(k):
    assert expected_over_draws(pass_at_k, 0.2, 8, k) == pytest.approx(1 - 0.8**k, abs=1e-12)


def test_the_plug_in_estimate_is_caught_as_biased():
    def plug_in(n, c, k):
        return 1 - (1 - c / n) ** k

    assert expected_over_draws(plug_in, 0.2, 8, 4) < 1 - 0.8**4 - 0.02


def test_many_completions_stay_exact():
    assert pass_at_k(1000, 1, 500) == pytest.approx(0.5, abs=1e-12)


@pytest.mark.parametrize("arguments", [(4, 2, 0), (4, 2, 5), (4, 5, 1), (4, -1, 1), (0, 0, 1)])
def test_numbers_out_of_range_are_refused(arguments):
    with pytest.raises(ValueError, match=r"is -?\d+: from"):
        pass_at_k(*arguments)


def test_k_runs_over_the_powers_of_two_and_ends_with_all_completions():
    assert ks_up_to(8) == [1, 2, 4, 8]
    assert ks_up_to(6) == [1, 2, 4, 6]
    assert ks_up_to(2) == [1, 2]
