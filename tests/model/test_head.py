"""The head's log-probs and entropies without the logits, against the direct way that has them all."""

from dataclasses import dataclass

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close
from torch.utils._python_dispatch import TorchDispatchMode

from pathvlm_r1.model import head, head_log_probs, products

TEMPERATURE = 0.7
SUPPRESSED = torch.tensor([0, 5, 40, 41, 42])
ONE_TILE = 10**9
# Tokens, vocabulary, logits in a tile: one tile, tokens split, the vocabulary split with an uneven end, both split, and
# an end of the vocabulary that is suppressed altogether.
SHAPES = {
    "one": (7, 43, ONE_TILE), "tokens": (7, 43, 100), "vocabulary": (3, 2500, 3 * 1024), "both": (7, 2500, 2 * 1024),
    "one_logit": (2, 43, 1), "suppressed_end": (3, 43, 40),
}  # fmt: skip


@dataclass
class Case:
    """Leaves that want gradients, and weights of the results in a loss."""

    states: torch.Tensor
    weight: torch.Tensor
    targets: torch.Tensor
    of_log_probs: torch.Tensor
    of_entropy: torch.Tensor

    def gradients(self, score, *, with_entropy=True, **settings):
        """Log-probs and entropy, and what states and weight get of a loss of both."""
        self.states.grad = self.weight.grad = None
        log_probs, entropy = score(self.states, self.weight, self.targets, **settings)
        loss = (log_probs * self.of_log_probs).sum()
        if with_entropy:
            loss = loss + (entropy * self.of_entropy).sum()
        loss.backward()
        return log_probs.detach(), entropy.detach(), self.states.grad, self.weight.grad


def case(tokens, vocabulary, dtype=torch.float64, dimension=6):
    generator = torch.Generator().manual_seed(tokens + vocabulary)

    def normal(*shape):
        return torch.randn(*shape, generator=generator, dtype=torch.float64).to(dtype)

    allowed = torch.ones(vocabulary, dtype=torch.bool).index_fill(0, SUPPRESSED, value=False).nonzero()[:, 0]
    targets = allowed[torch.randint(len(allowed), (tokens,), generator=generator)]
    states, weight = normal(tokens, dimension).requires_grad_(), normal(vocabulary, dimension).requires_grad_()
    wide = torch.promote_types(dtype, torch.float32)
    return Case(states, weight, targets, normal(tokens).to(wide), normal(tokens).to(wide))


def direct(states, weight, targets):
    """By the logits of all tokens; a suppressed id's column is left out, as 0 log 0 has no gradient."""
    allowed = torch.ones(len(weight), dtype=torch.bool).index_fill(0, SUPPRESSED, value=False)
    log_p = ((states @ weight[allowed].T) / TEMPERATURE).log_softmax(dim=-1)
    column = (allowed.cumsum(0) - 1)[targets]
    return log_p.gather(-1, column[:, None])[:, 0], -(log_p.exp() * log_p).sum(dim=-1)


def tiled(states, weight, targets, *, tile=ONE_TILE):
    scores = head_log_probs(
        states, weight, targets, temperature=TEMPERATURE, suppressed_ids=SUPPRESSED, tile=tile
    )  # fmt: skip
    return scores.log_probs, scores.entropy


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("beside", [0, ONE_TILE])  # numbers that a product may take beside the sum that it goes to
@pytest.mark.parametrize("shape", SHAPES)
def test_products_of_onednn_give_results_and_gradients_of_the_direct_way(monkeypatch, shape, beside):
    tokens, vocabulary, tile = SHAPES[shape]
    exact = case(tokens, vocabulary).gradients(direct)
    monkeypatch.setattr(products, "IS_MKL_SLOW", True)
    monkeypatch.setattr(products, "LEAST_SIDE", 1)
    monkeypatch.setattr(head, "MOST_BESIDE", beside)
    for found, expected in zip(case(tokens, vocabulary, torch.float32).gradients(tiled, tile=tile), exact, strict=True):
        assert found.dtype == torch.float32
        assert_close(found.double(), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float64, 1e-12), (torch.float32, 1e-5)])
@pytest.mark.parametrize("with_entropy", [True, False])
@pytest.mark.parametrize("shape", SHAPES)
def test_values_and_gradients_are_those_of_the_direct_way(shape, with_entropy, dtype, tolerance):
    tokens, vocabulary, tile = SHAPES[shape]
    made = case(tokens, vocabulary, dtype)
    ours = made.gradients(tiled, with_entropy=with_entropy, tile=tile)
    theirs = made.gradients(direct, with_entropy=with_entropy)
    for our, their in zip(ours, theirs, strict=True):
        assert our.dtype == dtype
        assert_close(our, their, rtol=tolerance, atol=tolerance)


@pytest.mark.medium
@pytest.mark.parametrize("shape", ["one", "tokens", "suppressed_end"])
@pytest.mark.parametrize("result", ["log_probs", "entropy"])
def test_gradients_are_those_of_finite_differences(shape, result):
    tokens, vocabulary, tile = SHAPES[shape]
    made = case(tokens, vocabulary, dimension=3)
    place = ["log_probs", "entropy"].index(result)
    assert gradcheck(lambda s, w: tiled(s, w, made.targets, tile=tile)[place], (made.states, made.weight))


def test_the_size_of_a_tile_changes_nothing():
    made = case(9, 3000)
    whole = made.gradients(tiled)
    for tile in (9 * 3000 - 1, 9 * 1024, 5 * 1024, 1024, 700):
        for our, expected in zip(made.gradients(tiled, tile=tile), whole, strict=True):
            assert_close(our, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tile", [ONE_TILE, 100])
def test_bfloat16_is_computed_in_float32_and_only_gradients_are_rounded(tile):
    made = case(7, 43, torch.bfloat16)
    log_probs, entropy, *gradients = made.gradients(tiled, tile=tile)
    exact = Case(
        made.states.detach().double().requires_grad_(), made.weight.detach().double().requires_grad_(), made.targets,
        made.of_log_probs.double(), made.of_entropy.double(),
    )  # fmt: skip
    *values, of_states, of_weight = exact.gradients(direct)
    for our, expected in zip((log_probs, entropy), values, strict=True):
        assert our.dtype == torch.float32
        assert_close(our, expected.float(), rtol=1e-6, atol=1e-5)
    for our, expected in zip(gradients, (of_states, of_weight), strict=True):
        assert our.dtype == torch.bfloat16
        assert_close(our, expected.bfloat16(), rtol=2**-7, atol=1e-6)  # the last of 8 bits


@pytest.mark.gpu
@pytest.mark.parametrize("tile", [ONE_TILE, 100])
def test_bfloat16_on_a_cuda_device_is_summed_in_float32_too(tile):
    made = case(7, 43, torch.bfloat16)
    expected = made.gradients(tiled, tile=tile)
    on_device = Case(*(tensor.detach().cuda() for tensor in vars(made).values()))
    on_device.states.requires_grad_()
    on_device.weight.requires_grad_()
    log_probs, entropy, *gradients = on_device.gradients(tiled, tile=tile)
    assert_close((log_probs.cpu(), entropy.cpu()), expected[:2], rtol=1e-6, atol=1e-5)
    for our, their in zip(gradients, expected[2:], strict=True):
        assert_close(our.cpu(), their, rtol=2**-6, atol=2**-8)  # the gradients of logits are rounded as well


def test_autocast_rounds_the_factors_of_products_alone():
    made = case(7, 43, torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        log_probs, entropy, of_states, of_weight = made.gradients(tiled)
    rounded = case(7, 43, torch.float32)
    with torch.no_grad():
        rounded.states.copy_(made.states.bfloat16())
        rounded.weight.copy_(made.weight.bfloat16())
    expected = rounded.gradients(tiled)
    assert_close((log_probs, entropy, of_weight), (expected[0], expected[1], expected[3]), rtol=1e-6, atol=1e-6)
    assert_close(of_states, expected[2], rtol=2**-7, atol=1e-6)


class Recorder(TorchDispatchMode):
    """The sizes of what is computed while it is on, and how often matrices are multiplied."""

    def __init__(self):
        super().__init__()
        self.elements = []
        self.products = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        outputs = result if isinstance(result, tuple | list) else [result]
        self.elements += [output.numel() for output in outputs if isinstance(output, torch.Tensor)]
        self.products += func._schema.name in ("aten::mm", "aten::addmm", "aten::addmm_")
        return result


@pytest.mark.parametrize("with_entropy", [True, False])
def test_nothing_of_tokens_times_vocabulary_is_ever_computed_beyond_a_tile(with_entropy):
    tokens, vocabulary, tile = 64, 4000, 8000
    made = case(tokens, vocabulary, dimension=2)  # so that the weight itself has no more elements than a tile
    largest = {}
    for name, score, settings in (("ours", tiled, {"tile": tile}), ("direct", direct, {})):
        with Recorder() as recorder:
            made.gradients(score, with_entropy=with_entropy, **settings)
        largest[name] = max(recorder.elements)
    assert largest["ours"] <= tile
    assert largest["direct"] >= tokens * (vocabulary - len(SUPPRESSED)) > 30 * tile


def test_a_frozen_head_gets_no_gradient_and_none_is_computed():
    products, largest = {}, {}
    for is_trained in (True, False):
        made = case(8, 2048, dimension=100)
        made.weight.requires_grad_(is_trained)
        with Recorder() as recorder:
            *_, of_states, of_weight = made.gradients(tiled, tile=8 * 1024)
        products[is_trained], largest[is_trained] = recorder.products, max(recorder.elements)
        assert of_states is not None
        assert (of_weight is not None) == is_trained
    assert products == {True: 2 * 4, False: 2 * 3}  # of two tiles: the logits, again, for the states, for the weight
    assert largest[True] >= 2048 * 100
    assert largest[False] <= 1024 * 100


def test_states_that_need_no_gradient_get_none():
    made = case(7, 43)
    *_, expected = made.gradients(tiled)
    made.states.requires_grad_(requires_grad=False)
    *_, of_states, of_weight = made.gradients(tiled)
    assert of_states is None
    assert_close(of_weight, expected, rtol=0, atol=0)


def test_one_tile_is_kept_for_backward_and_not_computed_again():
    made = case(7, 43)
    with Recorder() as recorder:
        made.gradients(tiled)
    assert recorder.products == 3


def test_an_entropy_that_is_only_measured_costs_backward_nothing():
    made = case(7, 43)
    of_logits = {}
    for with_entropy in (True, False):
        with Recorder() as recorder:
            made.gradients(tiled, with_entropy=with_entropy)
        of_logits[with_entropy] = sum(elements == 7 * 43 for elements in recorder.elements)
    assert of_logits[False] < of_logits[True]


@pytest.mark.parametrize("tile", [ONE_TILE, 1])
def test_no_tokens_give_no_scores_and_gradients_of_zero(tile):
    made = case(0, 43)
    log_probs, entropy, of_states, of_weight = made.gradients(tiled, tile=tile)
    assert log_probs.shape == entropy.shape == (0,)
    assert of_states.shape == (0, 6)
    assert not of_weight.any()


@pytest.mark.parametrize("tile", [ONE_TILE, 7])
def test_one_token(tile):
    made = case(1, 43)
    for our, expected in zip(made.gradients(tiled, tile=tile), made.gradients(direct), strict=True):
        assert_close(our, expected, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("tile", [ONE_TILE, 100, 40])
def test_a_suppressed_target_has_no_probability_and_leaves_the_others_alone(tile):
    made, others = case(4, 43), case(4, 43)
    made.targets[1] = SUPPRESSED[3]
    log_probs, entropy, of_states, of_weight = made.gradients(tiled, tile=tile)
    expected = others.gradients(direct)
    assert log_probs[1] == -torch.inf
    kept = [0, 2, 3]
    assert_close(log_probs[kept], expected[0][kept], rtol=1e-12, atol=1e-12)
    assert_close(entropy, expected[1], rtol=1e-12, atol=1e-12)
    assert_close(of_states[kept], expected[2][kept], rtol=1e-12, atol=1e-12)
    assert of_states.isfinite().all()
    assert of_weight.isfinite().all()
    assert not of_weight[SUPPRESSED].any()


@pytest.mark.parametrize("tile", [ONE_TILE, 100])
def test_a_token_is_the_likeliest_where_the_largest_logit_is_its_own(tile):
    made = case(40, 43)
    likeliest = (made.states @ made.weight.T).argmax(dim=-1)
    targets = torch.where(torch.arange(40) % 2 == 0, likeliest, made.targets)
    scores = head_log_probs(made.states, made.weight, targets, tile=tile)
    assert scores.is_likeliest.tolist() == (targets == likeliest).tolist()
    assert 20 <= int(scores.is_likeliest.sum()) < 40
    assert not scores.is_likeliest.requires_grad


def test_large_logits_overflow_nothing():
    states = torch.tensor([[100.0], [-100.0]], requires_grad=True)
    weight = torch.tensor([[1.0], [0.5], [-1.0]], requires_grad=True)
    scores = head_log_probs(states, weight, torch.tensor([0, 0]), tile=1)
    assert scores.log_probs.tolist() == [0.0, -200.0]
    assert scores.entropy.tolist() == [pytest.approx(0, abs=1e-6)] * 2
    (scores.log_probs + scores.entropy).sum().backward()
    assert states.grad.isfinite().all()
    assert weight.grad.isfinite().all()


@pytest.mark.parametrize("target", [-100, 43])
def test_a_target_that_is_no_row_of_the_head_is_refused(target):
    made = case(3, 43)
    made.targets[1] = target
    with pytest.raises(ValueError, match="the head has 43 rows"):
        head_log_probs(made.states, made.weight, made.targets)
