from contextlib import nullcontext

import pytest
from sampling_engines import CAP, SHIPPED, sampled, token_ids
from tiny import PEFT_WARNING, prompts, tiny_policy
from transformers import GenerationConfig

from pathvlm_r1.rollout import Decoding, hf

pytestmark = PEFT_WARNING

# What a folder of weights may ship, each of which changes what is sampled where it is left open.
LEAKS = SHIPPED | {
    "min_p": 0.9, "top_h": 0.4, "typical_p": 0.5, "epsilon_cutoff": 0.1, "eta_cutoff": 0.1, "no_repeat_ngram_size": 1,
    "bad_words_ids": [[5], [6]], "begin_suppress_tokens": [8], "forced_eos_token_id": 9, "min_new_tokens": 3,
    "sequence_bias": [[[5], 10.0]], "exponential_decay_length_penalty": (1, 2.0), "remove_invalid_values": True,
    "renormalize_logits": True, "guidance_scale": 2.0, "num_return_sequences": 2, "num_beams": 2, "max_new_tokens": 2,
    "max_time": 1e-9, "return_dict_in_generate": True,
}  # fmt: skip


def spied(monkeypatch, policy, decoding):
    """Names of the processors that `generate` makes of its effective settings, and these settings."""
    seen, original = [], type(policy.core)._get_logits_processor

    def processors_of(model, generation_config, *args, **settings):
        processors = original(model, generation_config, *args, **settings)
        seen.append(([type(processor).__name__ for processor in processors], generation_config))
        return processors

    monkeypatch.setattr(type(policy.core), "_get_logits_processor", processors_of)
    groups = sampled("hf", policy, prompts([None, (56, 56)]), decoding, group_size=2, end_ids=[3])
    monkeypatch.undo()
    ((names, settings),) = seen
    return names, settings, token_ids(groups)


@pytest.mark.medium
@pytest.mark.parametrize(
    ("settings", "warpers"),
    [
        ({"temperature": 0.0}, []),
        ({"temperature": 1.0}, []),
        ({"temperature": 0.7}, ["TemperatureLogitsWarper"]),
        (
            {"temperature": 0.7, "top_k": 20, "top_p": 0.9, "min_p": 0.05},
            ["TemperatureLogitsWarper", "TopKLogitsWarper", "TopPLogitsWarper", "MinPLogitsWarper"],
        ),
    ],
    ids=str,
)
def test_the_effective_settings_are_those_of_the_decoding_whatever_the_weights_ship(settings, warpers, monkeypatch):
    decoding, results = Decoding(CAP, **settings), []
    for shipped in ({}, LEAKS):
        policy = tiny_policy()
        policy.core.generation_config = GenerationConfig(**shipped)
        names, effective, tokens = spied(monkeypatch, policy, decoding)
        assert names == ["SuppressTokensLogitsProcessor", "_Recorder", *warpers]
        results.append((effective.to_dict(), tokens))
    assert results[0] == results[1]
    assert effective.max_new_tokens == CAP
    assert effective.eos_token_id == [3]
    assert effective.suppress_tokens == policy.suppressed_ids.tolist()
    if decoding.temperature > 0:
        asked = {name: getattr(effective, name) or 0.0 for name in ("temperature", "top_k", "top_p", "min_p")}
        assert asked == {name: getattr(decoding, name) for name in asked}


@pytest.mark.parametrize("name", ["repetition_penalty", "min_p", "bad_words_ids", "top_h"])
def test_a_setting_of_the_weights_that_leaked_would_be_seen(name, monkeypatch):
    """The wrong version: what is passed to `generate` is believed to be all that it uses."""
    monkeypatch.setattr(hf, "_unshipped", lambda _core: nullcontext())
    monkeypatch.setattr(hf, "generation_config", lambda decoding, end_ids, suppressed: GenerationConfig(
        do_sample=True, max_new_tokens=decoding.max_completion_tokens, top_k=0, eos_token_id=end_ids, pad_token_id=0,
        suppress_tokens=suppressed,
    ))  # fmt: skip
    with monkeypatch.context() as patch:
        policy = tiny_policy()
        policy.core.generation_config = GenerationConfig(do_sample=True, **{name: LEAKS[name]})
        names, _, _ = spied(patch, policy, Decoding(CAP, 1.0))
    assert names != ["SuppressTokensLogitsProcessor", "_Recorder"]


def test_each_picture_is_encoded_once_for_the_whole_group(monkeypatch):
    policy, counts = tiny_policy(), []
    encode = policy.encode_pictures
    monkeypatch.setattr(
        policy, "encode_pictures", lambda pixels, grids: counts.append(len(grids)) or encode(pixels, grids)
    )
    sampled("hf", policy, prompts([(56, 56), None, (84, 56)]), Decoding(CAP, 1.0), group_size=4)
    assert counts == [2]
