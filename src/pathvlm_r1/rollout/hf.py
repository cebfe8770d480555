"""The engine that calls the library's own `generate`: the reference of the native one, and slower."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessor, LogitsProcessorList

from pathvlm_r1.model import EncodedPrompt, Policy, in_evaluation_mode, picture_grids
from pathvlm_r1.rollout.batches import LocalEngine, grouped, left_padded
from pathvlm_r1.rollout.engine import SampledCompletion
from pathvlm_r1.rollout.sampling import Decoding

_PAD_ID = 0  # behind an end token, where nothing is read


class HFEngine(LocalEngine):
    """Samples groups of completions from the policy by `generate`; log-probs are float32, its own precision."""

    name = "hf"

    @torch.no_grad()
    def sample(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
               generator: torch.Generator) -> list[list[SampledCompletion]]:  # fmt: skip
        """`group_size` completions for each prompt, in the order of the prompts."""
        settings = generation_config(decoding, self.end_ids, policy.suppressed_ids.tolist())

        def decode(batch: Sequence[EncodedPrompt]) -> list[list[SampledCompletion]]:
            recorder = _Recorder(decoding.temperature)
            sequences = _generate(policy, batch, group_size, settings, recorder)
            return grouped(self._completions(sequences, recorder.log_probs(sequences)), group_size)

        with in_evaluation_mode(policy), _unshipped(policy.core), _seeded(policy.device, generator):
            return self.in_batches(prompts, group_size, decode)

    def _completions(self, sequences: Tensor, log_probs: Tensor) -> list[SampledCompletion]:
        """Rows cut behind their first end token; `sequences` [N, S] end with as many tokens as `log_probs` [N, C]."""
        completions = []
        for ids, row in zip(sequences[:, -log_probs.shape[1] :].tolist(), log_probs.cpu(), strict=True):
            end = next((place for place, token in enumerate(ids) if token in self.end_ids), None)
            length = len(ids) if end is None else end + 1
            completions.append(SampledCompletion(ids[:length], row[:length], is_ended=end is not None))
        return completions


def generation_config(decoding: Decoding, end_ids: Sequence[int], suppressed_ids: Sequence[int]) -> GenerationConfig:
    """Every setting that bears on what is sampled; the library's own defaults hold a top-k of 50."""
    filters = {
        "temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p,
        "min_p": decoding.min_p or None, "typical_p": 1.0, "epsilon_cutoff": 0.0, "eta_cutoff": 0.0,
    }  # fmt: skip
    return GenerationConfig(
        **(filters if decoding.temperature > 0 else {}),  # greedy has none, and refuses them
        do_sample=decoding.temperature > 0,
        max_new_tokens=decoding.max_completion_tokens,
        eos_token_id=list(end_ids),
        pad_token_id=_PAD_ID,
        suppress_tokens=list(suppressed_ids) or None,
        repetition_penalty=1.0,
        encoder_repetition_penalty=1.0,
        no_repeat_ngram_size=0,
        encoder_no_repeat_ngram_size=0,
        num_beams=1,
        num_return_sequences=1,
        use_cache=True,
    )


def _generate(policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, settings: GenerationConfig,
              recorder: _Recorder) -> Tensor:  # fmt: skip
    """Prompts and completions [N, S] of rows that are repeated for the group; each picture is encoded once."""
    input_ids, is_token = left_padded(prompts, policy.device)
    embeddings = policy.embed(input_ids, prompts).repeat_interleave(group_size, dim=0)
    input_ids, is_token = (tensor.repeat_interleave(group_size, dim=0) for tensor in (input_ids, is_token))
    grids = picture_grids(prompt for prompt in prompts for _ in range(group_size))
    sequences: Tensor = policy.core.generate(
        input_ids=input_ids, attention_mask=is_token.long(), inputs_embeds=embeddings,
        mm_token_type_ids=(input_ids == policy.core.config.image_token_id).int(),
        image_grid_thw=None if grids is None else grids.to(policy.device),
        generation_config=settings, logits_processor=LogitsProcessorList([recorder]),
    )  # fmt: skip
    return sequences


class _Recorder(LogitsProcessor):  # type: ignore[misc]
    """Log-probs of the tokens that `generate` takes; it sees the logits after suppression, before any filter."""

    def __init__(self, temperature: float) -> None:
        self.temperature = temperature or 1.0  # greedy: of softmax(logits)
        self._of_tokens: list[Tensor] = []
        self._latest: Tensor | None = None  # [N, V], from which the next token is drawn
        self._prompt_width = 0

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        if self._latest is None:
            self._prompt_width = input_ids.shape[1]
        self._take(input_ids)
        self._latest = (scores / self.temperature).log_softmax(dim=-1)
        return scores

    def log_probs(self, sequences: Tensor) -> Tensor:
        """[N, C], of the tokens that follow the prompts."""
        self._take(sequences)
        return torch.cat(self._of_tokens, dim=-1)[:, : sequences.shape[1] - self._prompt_width]

    def _take(self, input_ids: Tensor) -> None:
        if self._latest is not None:
            self._of_tokens.append(self._latest.gather(-1, input_ids[:, -1:]))


@contextmanager
def _unshipped(core: Any) -> Iterator[None]:
    """With a neutral default: `generate` takes from the model's own whatever a passed configuration leaves open."""
    shipped, core.generation_config = core.generation_config, GenerationConfig()
    try:
        yield
    finally:
        core.generation_config = shipped


@contextmanager
def _seeded(device: torch.device, generator: torch.Generator) -> Iterator[None]:
    """With the global generator, the only one that `generate` draws from, following the one that was passed."""
    seed = int(torch.randint(2**63 - 1, (1,), generator=generator, device=generator.device))
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield
