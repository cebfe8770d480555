"""The client of a vLLM server against a local one of the documented interface; no real server is asked anywhere."""

from collections import Counter
from contextlib import contextmanager

import pytest
import torch
from exact_distributions import SIGNIFICANCE, p_value, sequence_probabilities
from fake_vllm import FakeVLLM, Refused, serving
from sampling_engines import CAP, SIZES, sampled, token_ids
from tiny import PEFT_WARNING, perturbed, prompts, tiny_encoder, tiny_policy
from torch.testing import assert_close

from pathvlm_r1.config import CAPABILITIES, ConfigError
from pathvlm_r1.model import EncodedPrompt, PromptGroup, token_log_probs
from pathvlm_r1.rollout import (
    AdapterSync,
    Decoding,
    ReloadSync,
    ServedAlready,
    VLLMEngine,
    VLLMServer,
)

pytestmark = [PEFT_WARNING, pytest.mark.medium]
SYNCS = {"full": ReloadSync, "lora": AdapterSync}
GENERATE = ("POST /v1/completions", "POST /v1/chat/completions")


@contextmanager
def engine_on(fake, folder=None, *, adapter=None, rows_per_batch=8, attempts=1):
    """An engine that asks this server; `adapter` says how it sends weights."""
    with serving(fake) as url:
        server = VLLMServer(url, timeout_seconds=60, attempts=attempts, pause_seconds=0)
        sync = ServedAlready("policy") if adapter is None else SYNCS[adapter](server, model="policy", folder=folder)
        yield VLLMEngine(server, sync, end_ids=tiny_encoder().end_ids, rows_per_batch=rows_per_batch, max_mismatch=1e-4)


def drawn(engine, policy, made, decoding, *, group_size=1, seed=0):
    return engine.sample(policy, made, group_size, decoding, torch.Generator().manual_seed(seed))


def policy_of(adapter="full", temperature=1.0):
    return tiny_policy(adapter, torch.float32, temperature=temperature)


def test_it_states_that_its_log_probs_are_not_the_trainers():
    with engine_on(FakeVLLM()) as engine:
        assert engine.capabilities == CAPABILITIES["vllm"] == CAPABILITIES["native"] - {"own_model"}


@pytest.mark.parametrize("rows_per_batch", [1, 4])
def test_greedy_tokens_are_those_of_the_native_engine_for_texts_and_pictures(rows_per_batch):
    policy, made = policy_of(), prompts(SIZES)
    expected = sampled("native", policy, made, Decoding(CAP, 0.0))
    with engine_on(FakeVLLM(), rows_per_batch=rows_per_batch) as engine:
        groups = drawn(engine, policy, made, Decoding(CAP, 0.0))
    assert token_ids(groups) == token_ids(expected)
    for ours, theirs in zip(groups, expected, strict=True):
        assert ours[0].is_ended == theirs[0].is_ended
        assert_close(ours[0].log_probs, theirs[0].log_probs, rtol=0, atol=1e-4)


def test_log_probs_are_those_of_the_policys_distribution_at_its_temperature():
    policy, made = policy_of(temperature=0.7), prompts(SIZES)
    with engine_on(FakeVLLM()) as engine:
        groups = drawn(engine, policy, made, Decoding(CAP, 0.7), group_size=3)
    packed = [PromptGroup(p, tuple(c.token_ids for c in group)) for p, group in zip(made, groups, strict=True)]
    expected = token_log_probs(policy, packed)
    rows = torch.cat([completion.log_probs for group in groups for completion in group])
    assert_close(rows, expected.log_probs[expected.mask].detach(), rtol=0, atol=1e-4)
    assert len({tuple(ids) for group in token_ids(groups) for ids in group}) > len(made)


@pytest.mark.parametrize("filters", [{}, {"top_k": 3, "top_p": 0.9, "min_p": 0.2}], ids=str)
def test_completions_follow_the_exact_distribution(filters):
    policy, prompt, decoding = (
        policy_of(temperature=0.8),
        EncodedPrompt([5, 6, 7]),
        Decoding(2, 0.8, **filters),
    )
    allowed = [100, 101, 102, tiny_encoder().end_ids[0]]
    policy.suppressed_ids = torch.tensor([token for token in range(832) if token not in allowed])
    with engine_on(FakeVLLM()) as engine:
        (group,) = drawn(engine, policy, [prompt], decoding, group_size=1000)
    counts = Counter(tuple(completion.token_ids) for completion in group)
    expected = sequence_probabilities(policy, prompt, decoding, allowed, end_id=allowed[-1])
    assert p_value(counts, expected) > SIGNIFICANCE


def test_every_request_names_all_settings_and_the_seeds_follow_the_generator():
    policy, made = policy_of(), prompts([None, (56, 56)])
    seeds = []
    for seed in (7, 7, 8):
        fake = FakeVLLM()
        with engine_on(fake, rows_per_batch=1) as engine:
            drawn(engine, policy, made, Decoding(CAP, 1.0, top_k=9, top_p=0.9, min_p=0.1), group_size=2, seed=seed)
        asked = [body for path, body in fake.asked if path in GENERATE]
        seeds.append([body["seed"] for body in asked])
        probe, *bodies = asked
        assert [body["n"] for body in asked] == [1, 2, 2]
        assert {(b["top_k"], b["top_p"], b["min_p"], b["max_tokens"]) for b in bodies} == {(9, 0.9, 0.1, CAP)}
        assert (probe["top_k"], probe["top_p"], probe["min_p"]) == (0, 1.0, 0.0), "compared over the whole distribution"
        assert {int(token) for token in probe["logit_bias"]} == set(policy.suppressed_ids.tolist())
    assert seeds[0] == seeds[1] != seeds[2]
    assert len(set(seeds[0])) == 3


@pytest.mark.parametrize("adapter", ["full", "lora"])
def test_weights_are_sent_when_they_have_changed_and_only_then(adapter, tmp_path):
    fake, policy, made = FakeVLLM(), policy_of(adapter), prompts([(56, 56), None])
    sending = {"full": "POST /collective_rpc", "lora": "POST /v1/load_lora_adapter"}[adapter]
    with engine_on(fake, tmp_path, adapter=adapter) as engine:
        for change, sent in ((0.3, 1), (None, 1), (0.3, 2)):
            if change:
                perturbed(policy, change, seed=sent)
            groups = drawn(engine, policy, made, Decoding(CAP, 0.0))
            assert token_ids(groups) == token_ids(sampled("native", policy, made, Decoding(CAP, 0.0)))
            assert [path for path, _ in fake.asked].count(sending) == sent
    assert not fake.is_paused
    assert len(fake.models) == (1 if adapter == "full" else 2), "adapters of former weights are unloaded"
    assert len(list(tmp_path.iterdir())) == (0 if adapter == "full" else 1)


def test_a_second_engine_on_the_same_server_takes_another_name_for_its_adapter(tmp_path):
    fake, made = FakeVLLM(), prompts([None])
    with engine_on(fake, tmp_path / "a", adapter="lora") as first, serving(fake) as url:
        drawn(first, perturbed(policy_of("lora")), made, Decoding(CAP, 0.0))
        server = VLLMServer(url, timeout_seconds=60, attempts=1)
        second = AdapterSync(server, model="policy", folder=tmp_path / "b")
        assert second(policy_of("lora")) == "policy-2"
        drawn(first, perturbed(policy_of("lora"), seed=2), made, Decoding(CAP, 0.0))
    assert set(fake.models) == {"policy", "policy-2", "policy-3"}


class Forgetful(ReloadSync):
    """The wrong version: the server is never told."""

    def __call__(self, _policy):
        return self.model


def test_a_server_with_other_weights_is_found_out_before_its_completions_are_used(tmp_path, monkeypatch):
    monkeypatch.setitem(SYNCS, "full", Forgetful)
    fake, policy, made = FakeVLLM(), policy_of(), prompts([(56, 56)])
    with engine_on(fake, tmp_path, adapter="full") as engine:
        drawn(engine, policy, made, Decoding(CAP, 0.0))
        perturbed(policy)
        with pytest.raises(
            ConfigError, match=r"rollout\.max_mismatch=0\.0001: the server's log-probs are off by .* it has"
        ):
            drawn(engine, policy, made, Decoding(CAP, 0.0))


def test_log_probs_from_before_the_temperature_are_found_out():
    policy = policy_of(temperature=0.7)
    match = pytest.raises(ConfigError, match="--logprobs-mode processed_logprobs")
    with engine_on(FakeVLLM(logprobs_mode="raw_logprobs")) as engine, match:
        drawn(engine, policy, prompts([None]), Decoding(CAP, 0.7))


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda answer: answer | {"prompt_token_ids": answer["prompt_token_ids"][:-1]}, "reads a prompt of"),
        (lambda answer: answer | {"prompt_token_ids": None}, "reads a prompt of"),
        (
            lambda answer: answer | {"choices": [c | {"token_ids": None} for c in answer["choices"]]},
            "0 tokens came with",
        ),
        (
            lambda answer: answer | {"choices": [c | {"finish_reason": "stop"} for c in answer["choices"]]},
            "finish_reason=stop, the last tokens being",
        ),
        (lambda answer: answer | {"choices": answer["choices"][:0]}, "0 completions came where 1 were asked for"),
        (lambda _: {"detail": "welcome"}, r"without 'choices': is a vLLM server there\? It says: .*welcome"),
        (lambda _: "<html>a portal</html>", r"without 'choices': is a vLLM server there\? It says: <html>a portal"),
    ],
)
def test_an_answer_that_is_not_as_documented_is_refused(edit, message):
    fake = FakeVLLM()
    fake.edit = edit
    with engine_on(fake) as engine, pytest.raises(ConfigError, match=message):
        drawn(engine, policy_of(), prompts([(56, 56)]), Decoding(CAP, 1.0))


def test_an_address_of_something_else_is_one_message():
    fake = FakeVLLM()
    fake.handle = lambda *_: "<html>a portal</html>"
    with (
        engine_on(fake) as engine,
        pytest.raises(ConfigError, match="/v1/models was answered without 'data': is a vLLM"),
    ):
        engine.server.models()


def test_choices_are_put_in_the_order_of_their_index():
    fake = FakeVLLM()
    fake.edit = lambda answer: answer | {"choices": answer["choices"][::-1]}
    made, results = prompts([None]), []
    for turned in (fake, FakeVLLM()):
        with engine_on(turned) as engine:
            results.append(token_ids(drawn(engine, policy_of(), made, Decoding(CAP, 1.0), group_size=4)))
    assert results[0] == results[1]


def test_a_busy_server_is_asked_again_so_often_and_no_more():
    made = prompts([None])
    for faults, is_answered in ((2, True), (3, False)):
        fake = FakeVLLM()
        fake.faults = [Refused(503, "busy"), Refused(429, "busy"), Refused(500, "fault")][:faults]
        with engine_on(fake, attempts=3) as engine:
            if is_answered:
                assert len(drawn(engine, policy_of(), made, Decoding(CAP, 0.0))) == 1
            else:
                with pytest.raises(
                    ConfigError, match=r"rollout\.url=http://127.* POST /v1/completions failed: status 500"
                ):
                    drawn(engine, policy_of(), made, Decoding(CAP, 0.0))


def test_a_refusal_is_not_repeated_and_comes_in_the_servers_words():
    fake = FakeVLLM()
    with engine_on(fake, attempts=3) as engine:
        engine.sync = ServedAlready("another")
        with pytest.raises(ConfigError, match="The model `another` does not exist"):
            drawn(engine, policy_of(), prompts([None]), Decoding(CAP, 0.0))
    assert len(fake.asked) == 1


def test_a_server_that_is_not_there_is_one_message():
    with serving(FakeVLLM()) as url:
        pass
    with pytest.raises(ConfigError, match=rf"rollout\.url={url}: GET /v1/models failed: ConnectError"):
        VLLMServer(url, timeout_seconds=5, attempts=2, pause_seconds=0).models()


def test_a_paused_server_goes_on_after_a_fault_in_the_update(tmp_path):
    fake, policy = FakeVLLM(), policy_of()
    with engine_on(fake, tmp_path, adapter="full") as engine:
        engine.server.tell("/pause?mode=wait")
        fake.rpc = lambda **_: (_ for _ in ()).throw(Refused(400, "no such method"))
        with pytest.raises(ConfigError, match="no such method"):
            drawn(engine, policy, prompts([None]), Decoding(CAP, 0.0))
    assert not fake.is_paused


def test_an_api_key_is_taken_from_the_environment(monkeypatch):
    for key, is_known in (("secret", True), ("other", False)):
        monkeypatch.setenv("VLLM_API_KEY", key)
        with engine_on(FakeVLLM(api_key="secret")) as engine:
            if is_known:
                assert engine.server.models() == ["policy"]
            else:
                with pytest.raises(ConfigError, match="status 401"):
                    engine.server.models()
