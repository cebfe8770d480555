import pytest
import torch
from peft import LoraConfig, get_peft_model
from peft.tuners import lora
from tiny import PEFT_WARNING, tiny_policy
from torch import nn
from torch.testing import assert_close
from torch.utils.checkpoint import checkpoint

from pathvlm_r1.model import products
from pathvlm_r1.model.layers import Linear, LoRALinear, use_fast_layers

pytestmark = PEFT_WARNING


class Model(nn.Module):
    def __init__(self, width=6, columns=4):
        super().__init__()
        self.projection = nn.Linear(width, columns)

    def forward(self, states):
        return self.projection(states)


class OwnLinear(nn.Linear):
    pass


def adapted(*sizes, adapters=("default",), dropout=0.0, **settings):
    """The same model each time, behind adapters that do something."""
    torch.manual_seed(0)
    config = LoraConfig(r=2, lora_alpha=6, lora_dropout=dropout, target_modules=["projection"], **settings)
    model = get_peft_model(Model(*sizes).double(), config, adapter_name=adapters[0])
    for name in adapters[1:]:
        model.add_adapter(name, config)
    model.base_model.set_adapter(list(adapters))
    for parameter in model.parameters():
        parameter.data = torch.randn(parameter.shape, dtype=torch.float64)
    return model


def outputs_and_gradients(model, states):
    torch.manual_seed(1)  # of the dropout
    states = states.clone().requires_grad_()
    outputs = model(states)
    (outputs**2).sum().backward()
    gradients = {name: p.grad for name, p in model.named_parameters() if p.grad is not None}
    return {"outputs": outputs.detach(), "states": states.grad, **gradients}


CHANGES = {
    "plain": lambda model: model.train(),
    "off": lambda model: model.base_model.disable_adapter_layers(),
    "merged": lambda model: model.base_model.merge_adapter(),
    "evaluation": lambda model: model.eval(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("shape", [(3, 6), (2, 5, 6)], ids=str)
@pytest.mark.parametrize(
    "settings",
    [{}, {"dropout": 0.5}, {"adapters": ("default", "second")}, {"use_dora": True}, {"lora_bias": True}],
    ids=str,
)
def test_an_adapted_layer_gives_the_outputs_and_gradients_of_pefts_own(settings, shape, change):
    states = torch.randn(shape, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    ours, theirs = adapted(**settings), adapted(**settings)
    use_fast_layers(ours)
    assert isinstance(ours.base_model.model.projection, LoRALinear)
    for model in (ours, theirs):
        CHANGES[change](model)
    found, expected = outputs_and_gradients(ours, states), outputs_and_gradients(theirs, states)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(found[name], value, rtol=1e-12, atol=1e-12)


@pytest.mark.skipif(not torch.backends.mkldnn.is_available(), reason="torch was built without oneDNN")
@pytest.mark.parametrize("is_checkpointed", [False, True])
def test_an_adapted_layer_whose_weight_is_onednns_gives_those_of_float64(monkeypatch, is_checkpointed):
    monkeypatch.setattr(products, "IS_MKL_SLOW", True)
    states = torch.randn(2, 5, 64, generator=torch.Generator().manual_seed(2))
    ours, theirs = adapted(64, 96).float(), adapted(64, 96)
    use_fast_layers(ours)
    called = ours if not is_checkpointed else lambda x: checkpoint(ours, x, use_reentrant=False)
    called.named_parameters = ours.named_parameters
    found, expected = outputs_and_gradients(called, states), outputs_and_gradients(theirs, states.double())
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert_close(found[name].double(), value, rtol=1e-4, atol=1e-3 * float(value.abs().max()))


def test_a_float32_adapter_over_a_bfloat16_weight_computes_in_its_own_type():
    ours, theirs = adapted(), adapted()
    use_fast_layers(ours)
    for model in (ours, theirs):
        model.float().base_model.model.projection.base_layer.to(torch.bfloat16)
    states = torch.randn(3, 6).to(torch.bfloat16)
    assert torch.equal(ours(states), theirs(states))


@pytest.mark.parametrize("is_trained", [True, False])
def test_autocast_gives_an_adapted_layer_its_own_type(is_trained):
    ours, theirs = adapted().float(), adapted().float()
    use_fast_layers(ours)
    states = torch.randn(3, 6)
    with torch.autocast("cpu", torch.bfloat16), torch.set_grad_enabled(is_trained):
        found, expected = ours(states), theirs(states)
    assert found.dtype == expected.dtype
    assert torch.equal(found, expected)


def test_names_and_weights_stay_and_layers_of_another_kind_are_left_alone():
    model = nn.Sequential(nn.Linear(2, 3), OwnLinear(3, 3), nn.LayerNorm(3))
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    use_fast_layers(model)
    assert [type(module) for module in model] == [Linear, OwnLinear, nn.LayerNorm]
    assert model.state_dict().keys() == before.keys()
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_every_linear_layer_of_a_policy_is_a_fast_one(adapter):
    kinds = {type(module) for module in tiny_policy(adapter).modules()}
    assert Linear in kinds
    assert (LoRALinear in kinds) == (adapter == "lora")
    assert nn.Linear not in kinds
    assert lora.Linear not in kinds
