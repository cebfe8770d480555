import torch
from sampling_engines import CAP, sampled
from tiny import PEFT_WARNING, perturbed, prompts, tiny_encoder, tiny_policy

from pathvlm_r1.model import PlainStep, PromptGroup, token_log_probs
from pathvlm_r1.rollout import Decoding

pytestmark = PEFT_WARNING


def test_rows_beyond_the_tokenizer_are_suppressed():
    policy = tiny_policy()
    vocabulary = policy.core.config.text_config.vocab_size
    assert vocabulary > len(tiny_encoder().tokenizer)
    assert set(range(len(tiny_encoder().tokenizer), vocabulary)) <= set(policy.suppressed_ids.tolist())


def test_dropout_would_be_seen_if_sampling_ran_in_training_mode():
    policy = perturbed(tiny_policy("lora", is_dropout_on=True)).train()
    group = [PromptGroup(prompts([None])[0], ([5, 6, 7],))]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (token_log_probs(policy, group).log_probs for _ in range(2))
    assert (first - second).abs().max() > 1e-3


def test_a_prompt_and_its_picture_pass_the_model_once_for_the_whole_group(monkeypatch):
    policy, made = tiny_policy(), prompts([(56, 56), (84, 56)])
    widths, language_model = [], policy.core.model.language_model
    forward = language_model.forward

    def counted(*args, **inputs):
        widths.append(tuple(inputs["inputs_embeds"].shape[:2]))
        return forward(*args, **inputs)

    def counted_step(self, tokens, positions):
        rows.append(len(tokens))
        return take(self, tokens, positions)

    rows, take = [], PlainStep.__call__
    monkeypatch.setattr(language_model, "forward", counted)
    monkeypatch.setattr(PlainStep, "__call__", counted_step)
    sampled("native", policy, made, Decoding(CAP, 1.0), group_size=8, end_ids=[-1])
    assert widths == [(2, max(len(prompt.token_ids) for prompt in made))]
    assert rows == [16] * (CAP - 1)
