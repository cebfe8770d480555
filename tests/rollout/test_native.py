import pytest
import torch
from scipy.stats import chisquare
from tiny import PEFT_WARNING, perturbed, prompts, tiny_encoder, tiny_model, tiny_policy
from torch.testing import assert_close
from transformers import GenerationConfig

from pathvlm_r1.model import PromptGroup, token_log_probs
from pathvlm_r1.rollout import Decoding, NativeEngine
from pathvlm_r1.rollout.sampling import draw, nucleus

SIZES = [(56, 56), None, (140, 84), (57, 113), None, (84, 56)]
CAP = 12
SHIPPED = {"do_sample": True, "temperature": 1e-6, "repetition_penalty": 1.05, "top_k": 1, "top_p": 0.001}

pytestmark = PEFT_WARNING


def sampled(policy, prompts_, decoding, *, group_size=1, seed=0, end_ids=None, rows_per_batch=64):
    end_ids = tiny_encoder().end_ids if end_ids is None else end_ids
    engine = NativeEngine(end_ids=end_ids, rows_per_batch=rows_per_batch)
    return engine.sample(policy, prompts_, group_size, decoding, torch.Generator().manual_seed(seed))


def token_ids(groups):
    return [[completion.token_ids for completion in group] for group in groups]


def generated(policy, prompts_, end_ids):
    """The stock `generate`, greedy, on left-padded prompts; cut behind the first end token."""
    width = max(len(prompt.token_ids) for prompt in prompts_)
    pads = [width - len(prompt.token_ids) for prompt in prompts_]
    ids = torch.tensor([[tiny_encoder().pad_id] * pad + p.token_ids for pad, p in zip(pads, prompts_, strict=True)])
    mask = torch.tensor([[0] * pad + [1] * (width - pad) for pad in pads])
    pictured = [prompt for prompt in prompts_ if prompt.pixels is not None]
    output = policy.core.generate(
        input_ids=ids, attention_mask=mask,
        mm_token_type_ids=(ids == tiny_encoder().processor.image_token_id).int(),
        pixel_values=torch.cat([prompt.pixels.take() for prompt in pictured]).to(policy.core.dtype),
        image_grid_thw=torch.cat([prompt.image_grid_thw for prompt in pictured]),
        generation_config=GenerationConfig(
            do_sample=False, max_new_tokens=CAP, eos_token_id=end_ids, pad_token_id=tiny_encoder().pad_id,
            suppress_tokens=policy.suppressed_ids.tolist(),
        ),
    )  # fmt: skip
    return [until_end(row, end_ids) for row in output[:, width:].tolist()]


def until_end(ids, end_ids):
    ends = [place for place, token in enumerate(ids) if token in end_ids]
    return ids[: ends[0] + 1] if ends else ids


@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("rows_per_batch", [1, 4, 64])
def test_greedy_tokens_are_those_of_generate_for_unequal_prompts_and_pictures(adapter, rows_per_batch):
    policy = perturbed(tiny_policy(adapter))
    made = prompts(SIZES)
    greedy = Decoding(CAP, temperature=0)
    without_end = sampled(policy, made, greedy, end_ids=[-1], rows_per_batch=rows_per_batch)
    assert token_ids(without_end) == [[ids] for ids in generated(policy, made, end_ids=[-1])]
    end_ids = [without_end[0][0].token_ids[4], without_end[2][0].token_ids[7]]  # rows end at different steps
    with_end = sampled(policy, made, greedy, end_ids=end_ids, rows_per_batch=rows_per_batch)
    assert token_ids(with_end) == [[ids] for ids in generated(policy, made, end_ids)]
    assert len({len(group[0].token_ids) for group in with_end}) > 1


@pytest.mark.parametrize(("dtype", "tolerance"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
@pytest.mark.parametrize("adapter", ["full", "lora"])
@pytest.mark.parametrize("temperature", [1.0, 0.7])
def test_sampled_log_probs_are_those_that_training_computes(adapter, dtype, tolerance, temperature):
    policy = perturbed(tiny_policy(adapter, dtype, temperature=temperature))
    made = prompts(SIZES)
    groups = sampled(policy, made, Decoding(CAP, temperature), group_size=3)
    packed = [PromptGroup(p, tuple(c.token_ids for c in group)) for p, group in zip(made, groups, strict=True)]
    log_probs = token_log_probs(policy, packed).log_probs
    for row, completion in enumerate(completion for group in groups for completion in group):
        assert completion.log_probs.dtype == dtype
        expected = log_probs[row, : len(completion.token_ids)].detach()
        assert_close(completion.log_probs, expected, rtol=0, atol=tolerance)


def test_log_probs_without_the_suppression_or_at_another_temperature_would_be_caught():
    policy = tiny_policy(temperature=0.7)
    made = prompts(SIZES)
    groups = sampled(policy, made, Decoding(CAP, 0.7))
    packed = [PromptGroup(p, tuple(c.token_ids for c in group)) for p, group in zip(made, groups, strict=True)]
    rows = torch.nn.utils.rnn.pad_sequence([c.log_probs for group in groups for c in group], batch_first=True)
    for wrong in (tiny_policy(temperature=1.0), tiny_policy(temperature=0.7, is_suppressing=False)):
        assert (token_log_probs(wrong, packed).log_probs - rows).abs().max() > 1e-4


class BiasedHead(torch.nn.Module):
    """Adds to the logits of some tokens."""

    def __init__(self, head, ids, bias):
        super().__init__()
        self.head, self.ids, self.bias = head, ids, bias

    def forward(self, states):
        return self.head(states).index_add(-1, self.ids, torch.full_like(states[..., : len(self.ids)], self.bias))


def biased(names, bias, **settings):
    model = tiny_model()
    ids = torch.tensor([tiny_encoder().tokenizer.convert_tokens_to_ids(name) for name in names])
    model.lm_head = BiasedHead(model.lm_head, ids, bias)
    return tiny_policy(model=model, **settings), set(ids.tolist())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_picture_tokens_are_never_sampled_from_a_model_that_prefers_them_by_far(temperature):
    names = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>"]
    decoding = Decoding(CAP, temperature)
    found = {}
    for is_suppressing in (True, False):
        policy, unwanted = biased(names, 100.0, is_suppressing=is_suppressing)
        tokens = {t for group in token_ids(sampled(policy, prompts(SIZES), decoding)) for ids in group for t in ids}
        found[is_suppressing] = tokens & unwanted
    assert not found[True]
    assert found[False]


def test_rows_beyond_the_tokenizer_are_suppressed():
    policy = tiny_policy()
    vocabulary = policy.core.config.text_config.vocab_size
    assert vocabulary > len(tiny_encoder().tokenizer)
    assert set(range(len(tiny_encoder().tokenizer), vocabulary)) <= set(policy.suppressed_ids.tolist())


@pytest.mark.parametrize("place", [0, 1])
def test_a_completion_stops_at_the_first_end_token_and_includes_it(place):
    name = ["<|im_end|>", "<|endoftext|>"][place]
    policy, _ = biased([name], 4.0)
    end_id = tiny_encoder().end_ids[place]
    completions = [c for group in sampled(policy, prompts(SIZES), Decoding(CAP, 1.0), group_size=4) for c in group]
    for completion in completions:
        ended = [token in tiny_encoder().end_ids for token in completion.token_ids]
        assert completion.is_ended == ended[-1]
        assert not any(ended[:-1])
        assert completion.is_ended or len(completion.token_ids) == CAP
        assert len(completion.log_probs) == len(completion.token_ids)
    assert any(completion.token_ids[-1] == end_id for completion in completions)
    assert len({len(completion.token_ids) for completion in completions}) > 1


def test_the_cap_cuts_and_says_so():
    for cap in (1, 5):
        for group in sampled(tiny_policy(), prompts(SIZES), Decoding(cap, 1.0), group_size=2, end_ids=[-1]):
            assert [(len(c.token_ids), c.is_ended) for c in group] == [(cap, False)] * 2


def test_an_end_token_at_the_cap_is_an_end():
    policy, _ = biased(["<|im_end|>"], 100.0)
    (group,) = sampled(policy, prompts([None]), Decoding(1, 1.0))
    assert (group[0].token_ids, group[0].is_ended) == (tiny_encoder().end_ids[:1], True)


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_a_generation_config_as_it_is_shipped_changes_nothing(temperature):
    results = []
    for config in (GenerationConfig(), GenerationConfig(**SHIPPED)):
        policy = tiny_policy()
        policy.core.generation_config = config
        results.append(token_ids(sampled(policy, prompts(SIZES), Decoding(CAP, temperature), group_size=3)))
    assert results[0] == results[1]
    assert temperature == 0.0 or len({tuple(ids) for ids in results[0][0]}) > 1  # a top-k of 1 makes all equal


def test_the_same_generator_gives_the_same_completions_and_the_global_one_is_left_alone():
    policy, made, decoding = tiny_policy(), prompts(SIZES), Decoding(CAP, 1.0)
    before = torch.get_rng_state()
    first, again, other = (token_ids(sampled(policy, made, decoding, group_size=3, seed=s)) for s in (7, 7, 8))
    assert first == again
    assert first != other
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize("temperature", [0.0, 1.0])
def test_in_training_mode_with_dropout_the_samples_are_those_of_evaluation_mode(temperature):
    results = []
    for is_training in (False, True):
        policy = perturbed(tiny_policy("lora", is_dropout_on=True)).train(is_training)
        results.append(token_ids(sampled(policy, prompts(SIZES), Decoding(CAP, temperature), group_size=2)))
        assert policy.training == is_training
    assert results[0] == results[1]


def test_dropout_would_be_seen_if_sampling_ran_in_training_mode():
    policy = perturbed(tiny_policy("lora", is_dropout_on=True)).train()
    group = [PromptGroup(prompts([None])[0], ([5, 6, 7],))]
    with torch.random.fork_rng():
        torch.manual_seed(0)
        first, second = (token_log_probs(policy, group).log_probs for _ in range(2))
    assert (first - second).abs().max() > 1e-3


def test_groups_keep_the_order_of_their_prompts_in_batches_of_any_size():
    policy, made = tiny_policy(), prompts(SIZES)
    alone = [token_ids(sampled(policy, [prompt], Decoding(CAP, 0.0), group_size=2))[0] for prompt in made]
    for rows_per_batch in (1, 4, 6, 64):
        greedy = sampled(policy, made, Decoding(CAP, 0.0), group_size=2, rows_per_batch=rows_per_batch)
        assert token_ids(greedy) == alone


def draws_of(probabilities, decoding, count=20_000):
    logits = (probabilities.log() * max(decoding.temperature, 1e-9)).expand(count, -1)
    tokens, log_probs = draw(logits, decoding, torch.Generator().manual_seed(0))
    return tokens, log_probs


SKEWED = torch.tensor([0.30, 0.22, 0.16, 0.11, 0.08, 0.06, 0.04, 0.02, 0.01, 0.0], dtype=torch.float64)


@pytest.mark.parametrize("temperature", [1.0, 0.7, 1.5])
def test_draws_follow_the_distribution_at_the_temperature(temperature):
    tokens, log_probs = draws_of(SKEWED, Decoding(1, temperature))
    counts = tokens.bincount(minlength=10)
    assert counts[-1] == 0
    assert chisquare(counts[:-1], 20_000 * SKEWED[:-1]).pvalue > 1e-3
    assert_close(log_probs, SKEWED.log()[tokens], rtol=0, atol=1e-12)


def test_the_chi_square_test_catches_a_top_k_a_repetition_penalty_and_a_wrong_temperature():
    logits = SKEWED[:-1].log()
    penalised = logits.clone()
    penalised[0] *= 1.05
    count = 200_000  # one token more likely by some percent does not show for certain in 20,000 draws
    for wrong in (logits / 1.05, penalised, torch.where(logits >= logits[7], logits, -torch.inf)):
        tokens, _ = draw(wrong.expand(count, -1), Decoding(1, 1.0), torch.Generator().manual_seed(0))
        assert chisquare(tokens.bincount(minlength=9), count * SKEWED[:-1]).pvalue < 1e-3


def test_the_first_token_of_the_model_follows_its_distribution():
    policy = tiny_policy(temperature=0.8)
    (prompt,) = prompts([(56, 56)])
    group = sampled(policy, [prompt], Decoding(1, 0.8), group_size=4000)[0]
    counts = torch.tensor([completion.token_ids[0] for completion in group]).bincount(minlength=832)
    allowed = sorted(set(range(832)) - set(policy.suppressed_ids.tolist()))
    rows = PromptGroup(prompt, tuple([token] for token in allowed))
    expected = token_log_probs(policy, [rows]).log_probs[:, 0].detach().exp() * len(group)
    assert counts.sum() == counts[allowed].sum()
    counts = counts[allowed]
    frequent = expected >= 5  # chi-square needs counts; the rest is one class
    observed = [*counts[frequent].tolist(), int(counts[~frequent].sum())]
    assert chisquare(observed, [*expected[frequent].tolist(), float(expected[~frequent].sum())]).pvalue > 1e-3
    assert frequent.sum() > 20


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
    random = torch.Generator().manual_seed(0)
    shuffled = SKEWED[torch.randperm(10, generator=random)]
    others = torch.rand(20, 10, generator=random, dtype=torch.float64).pow(3)
    rows = torch.cat([shuffled[None], others / others.sum(dim=-1, keepdim=True)])
    kept = nucleus(rows, top_p)
    for row, probabilities in zip(kept, rows, strict=True):
        assert set(row.nonzero()[:, 0].tolist()) == brute_force_nucleus(probabilities.tolist(), top_p)
        assert torch.equal(row[row > 0], probabilities[row > 0])


def test_draws_under_top_p_stay_in_the_nucleus_in_its_proportions_with_log_probs_of_the_whole():
    tokens, log_probs = draws_of(SKEWED, Decoding(1, 1.0, top_p=0.6))
    counts = tokens.bincount(minlength=10)
    support = SKEWED[:3] / SKEWED[:3].sum()
    assert not counts[3:].any()
    assert chisquare(counts[:3], 20_000 * support).pvalue > 1e-3
    assert_close(log_probs, SKEWED.log()[tokens], rtol=0, atol=1e-12)


def test_greedy_takes_the_likeliest_token_whatever_the_generator():
    tokens, log_probs = draw(SKEWED.log().expand(3, -1), Decoding(1, 0.0), torch.Generator())
    assert tokens.tolist() == [0, 0, 0]
    assert_close(log_probs, SKEWED.log()[tokens])
