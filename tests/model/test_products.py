import pytest
import torch
from torch.nn.functional import linear
from torch.testing import assert_close

from pathvlm_r1.model import products
from pathvlm_r1.model.products import FixedProduct, OneDNNProduct, is_mkl_slow, product

NEEDS_ONEDNN = pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
EACH_LIBRARY = pytest.mark.parametrize("is_slow", [pytest.param(True, marks=NEEDS_ONEDNN), False])
SHAPES = [((5,), 64, 128), ((2, 7), 128, 64), ((3,), 96, 96), ((1,), 64, 200)]


def drawn(*shape, seed=0):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)) if shape else None


def with_gradients(function, *tensors):
    """Results and gradients of tensors in float64, None of what is None."""
    leaves = [None if tensor is None else tensor.clone().requires_grad_() for tensor in tensors]
    result = function(*leaves)
    result.backward(drawn(*result.shape, seed=9).to(result.dtype))
    return [result.detach().double(), *(leaf.grad.double() for leaf in leaves if leaf is not None)]


@NEEDS_ONEDNN
@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize(("rows", "width", "columns"), SHAPES)
def test_onednn_gives_the_products_and_gradients_of_float64(rows, width, columns, has_bias):
    tensors = [drawn(*rows, width), drawn(columns, width, seed=1), drawn(columns, seed=2) if has_bias else None]
    exact = with_gradients(linear, *(None if tensor is None else tensor.double() for tensor in tensors))
    for found, expected in zip(with_gradients(OneDNNProduct.apply, *tensors), exact, strict=True):
        assert_close(found, expected, rtol=1e-5, atol=1e-4)


@EACH_LIBRARY
def test_no_rows_give_no_products_and_gradients_of_nothing(monkeypatch, is_slow):
    monkeypatch.setattr(products, "IS_MKL_SLOW", is_slow)
    result, of_states, of_weight = with_gradients(product, drawn(0, 64), drawn(64, 64, seed=1))
    assert result.shape == of_states.shape == (0, 64)
    assert not of_weight.any()


@NEEDS_ONEDNN
def test_a_frozen_weight_gets_no_gradient_and_its_states_are_not_kept():
    states, weight = drawn(4, 64).requires_grad_(), drawn(64, 64, seed=1)
    result = OneDNNProduct.apply(states, weight, None)
    kept = [tensor for tensor in result.grad_fn.saved_tensors if tensor is not None]
    assert [tensor.data_ptr() for tensor in kept] == [weight.data_ptr()]
    result.sum().backward()
    assert_close(states.grad, weight.sum(dim=0).expand(4, -1))


@EACH_LIBRARY
@pytest.mark.parametrize("rows", [1, 3, 16])
def test_a_fixed_product_is_the_product_with_its_bias_or_added_to_a_residual(monkeypatch, is_slow, rows):
    monkeypatch.setattr(products, "IS_MKL_SLOW", is_slow)
    monkeypatch.setattr(products, "LEAST_WORK", 1)
    states, weight, bias, residual = drawn(rows, 64), drawn(128, 64, seed=1), drawn(128, seed=2), drawn(rows, 128)
    expected = states.double() @ weight.double().T
    with_bias, plain = FixedProduct(weight, bias, rows=16), FixedProduct(weight, rows=16)
    weight.zero_()  # it has copied what it needs
    assert with_bias.is_packed == plain.is_packed == is_slow
    assert_close(with_bias(states).double(), expected + bias, rtol=1e-5, atol=1e-4)
    assert_close(plain(states).double(), expected, rtol=1e-5, atol=1e-4)
    assert_close(plain(states, plus=residual).double(), expected + residual, rtol=1e-5, atol=1e-4)
    assert_close(with_bias(states, plus=residual).double(), expected + bias + residual, rtol=1e-5, atol=1e-4)


@EACH_LIBRARY
def test_a_fixed_product_shares_no_memory_with_its_weight_and_bias(monkeypatch, is_slow):
    monkeypatch.setattr(products, "IS_MKL_SLOW", is_slow)
    monkeypatch.setattr(products, "LEAST_WORK", 1)
    weight, bias = drawn(64, 128, seed=1).t(), drawn(128, seed=2)
    fixed, states = FixedProduct(weight, bias, rows=4), drawn(4, 64)
    expected = states @ weight.T + bias
    weight.zero_()
    bias.zero_()
    assert_close(fixed(states), expected, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize(
    ("processor", "expected"),
    [
        ({"cpu_name": "AMD EPYC", "avx512_f": True}, True),
        ({"cpu_name": "AMD Ryzen 5 3600", "avx512_f": False}, False),
        ({"cpu_name": "Intel(R) Xeon(R)", "avx512_f": True}, False),
        ({"architecture": "aarch64"}, False),
    ],
    ids=str,
)
def test_onednn_is_chosen_where_mkl_leaves_wide_instructions_unused(monkeypatch, processor, expected):
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: processor)
    monkeypatch.setattr(torch.backends.mkl, "is_available", lambda: True)
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: True)
    assert is_mkl_slow() is expected
    monkeypatch.setattr(torch.backends.mkldnn, "is_available", lambda: False)
    assert not is_mkl_slow()


@pytest.mark.parametrize(
    ("width", "dtype", "is_autocast"),
    [(64, torch.float64, False), (64, torch.bfloat16, False), (64, torch.float32, True), (8, torch.float32, False)],
)
def test_other_types_autocast_and_narrow_weights_are_the_librarys_own(monkeypatch, width, dtype, is_autocast):
    monkeypatch.setattr(products, "IS_MKL_SLOW", True)
    states, weight = drawn(3, width).to(dtype), drawn(64, width, seed=1).to(dtype)
    with torch.autocast("cpu", torch.bfloat16, enabled=is_autocast):
        found, expected = product(states, weight), linear(states, weight)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)
