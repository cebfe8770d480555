"""The engine that asks an OpenAI-compatible vLLM server. NOT yet run against a real one.

It was written from vLLM's published source and documentation of 2026 (protocols of completions and chat completions at
commit 002032ee, development mode at 0100a212, docs/features/lora.md) and is tested against a local server of that
interface. The server is started by hand, on hardware of its own, and used by one trainer process at a time:

    vllm serve <weights> --served-model-name policy --logprobs-mode processed_logprobs
        --mm-processor-kwargs '{"max_pixels": <model.max_pixels>}'

Its log-probs are those of other kernels, mostly in another precision, and with a filter on they are those of what the
filter has left: they are no log-probs of the trainer, and an objective that takes them as such needs a correction.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from pathvlm_r1.config import CAPABILITIES, Capability
from pathvlm_r1.model import EncodedPrompt, Policy, PromptGroup, in_evaluation_mode, token_log_probs
from pathvlm_r1.rollout.engine import EngineError, SampledCompletion
from pathvlm_r1.rollout.sampling import Decoding
from pathvlm_r1.rollout.vllm_server import VLLMServer
from pathvlm_r1.rollout.weight_sync import WeightSync

PROBE_TOKENS = 16  # of the completion whose log-probs are compared with the policy's
NEVER = -100.0  # nats added to suppressed ids: the least that the interface takes


class VLLMEngine:
    """Samples groups of completions on a server.

    Args:
        server: that is asked.
        sync: gives it the policy's weights.
        end_ids: a completion stops at the first of these.
        rows_per_batch: completions asked for at once; changes speed alone.
        max_mismatch: nats; mean difference of log-probs between server and policy at which `sample` fails.
    """

    def __init__(
        self, server: VLLMServer, sync: WeightSync, *, end_ids: Sequence[int], rows_per_batch: int, max_mismatch: float
    ) -> None:
        self.server, self.sync = server, sync
        self.end_ids, self.rows_per_batch, self.max_mismatch = list(end_ids), rows_per_batch, max_mismatch

    @property
    def capabilities(self) -> frozenset[Capability]:
        """All but the trainer's own model."""
        return CAPABILITIES["vllm"]

    def sample(self, policy: Policy, prompts: Sequence[EncodedPrompt], group_size: int, decoding: Decoding,
               generator: torch.Generator) -> list[list[SampledCompletion]]:  # fmt: skip
        """`group_size` completions for each prompt, in the order of the prompts.

        Raises:
            EngineError: the server does not answer, encodes a prompt otherwise, or has other weights than the policy.
        """
        model = self.sync(policy)
        count = len(prompts) + 1
        seeds = torch.randint(2**31, (count,), generator=generator, device=generator.device).tolist()
        self._probe(policy, model, prompts[0], seeds.pop())
        settings = self._settings(policy, model, decoding) | {"n": group_size}

        def complete(prompt: EncodedPrompt, seed: int) -> list[SampledCompletion]:
            return self._complete(prompt, settings | {"seed": seed})

        with ThreadPoolExecutor(max(1, self.rows_per_batch // group_size)) as pool:
            return list(pool.map(complete, prompts, seeds))

    def _settings(self, policy: Policy, model: str, decoding: Decoding) -> dict[str, Any]:
        """Every setting that bears on what is sampled, so that none of the server's own is used."""
        return {
            "model": model, "temperature": decoding.temperature, "top_k": decoding.top_k, "top_p": decoding.top_p,
            "min_p": decoding.min_p, "repetition_penalty": 1.0, "presence_penalty": 0.0, "frequency_penalty": 0.0,
            "max_tokens": decoding.max_completion_tokens, "stop_token_ids": self.end_ids,
            "logit_bias": {str(token): NEVER for token in policy.suppressed_ids.tolist()}, "return_token_ids": True,
        }  # fmt: skip

    def _complete(self, prompt: EncodedPrompt, settings: dict[str, Any]) -> list[SampledCompletion]:
        """Completions of one prompt: of its tokens, or of text and pictures where it has any."""
        if prompt.pictures:
            path, own = "/v1/chat/completions", {"messages": _messages(prompt), "logprobs": True, "top_logprobs": 0}
        else:
            path, own = "/v1/completions", {"prompt": prompt.token_ids, "logprobs": 0}
        answer = self.server.ask("POST", path, settings | own, about="choices")
        choices = answer["choices"]
        if len(choices) != settings["n"]:
            raise EngineError(
                f"rollout.url={self.server.url}: {len(choices)} completions came where {settings['n']} were asked for"
            )
        encoded = (answer if prompt.pictures else choices[0]).get("prompt_token_ids")
        if encoded != prompt.token_ids:
            raise EngineError(
                f"rollout.url={self.server.url}: the server reads a prompt of {len(prompt.token_ids)} tokens as "
                f"{len(encoded or [])} others: it has another chat template or tokenizer, or another size of pictures "
                "(--mm-processor-kwargs, model.max_pixels)"
            )
        return [self._completion(choice) for choice in sorted(choices, key=lambda choice: int(choice["index"]))]

    def _completion(self, choice: dict[str, Any]) -> SampledCompletion:
        token_ids, log_probs = choice.get("token_ids") or [], _log_probs(choice["logprobs"])
        is_ended = any(token in self.end_ids for token in token_ids[-1:])
        is_stopped = choice["finish_reason"] == "stop"
        if not token_ids or len(token_ids) != len(log_probs) or is_ended != is_stopped:
            raise EngineError(
                f"rollout.url={self.server.url}: {len(token_ids)} tokens came with {len(log_probs)} log-probs and "
                f"finish_reason={choice['finish_reason']}, the last tokens being {token_ids[-3:]}: not as documented"
            )
        return SampledCompletion(token_ids, log_probs, is_ended)

    @torch.no_grad()
    def _probe(self, policy: Policy, model: str, prompt: EncodedPrompt, seed: int) -> None:
        """Compare the log-probs of one short completion; other weights or settings show in them at once."""
        settings = self._settings(policy, model, Decoding(PROBE_TOKENS, policy.temperature))
        (completion,) = self._complete(prompt, settings | {"n": 1, "seed": seed})
        with in_evaluation_mode(policy):
            expected = token_log_probs(policy, [PromptGroup(prompt, (completion.token_ids,))]).log_probs[0].cpu()
        mismatch = float((completion.log_probs - expected).abs().mean())
        if not mismatch <= self.max_mismatch:
            raise EngineError(
                f"rollout.max_mismatch={self.max_mismatch}: the server's log-probs are off by {mismatch:.3g} nats on "
                "average from the policy's: it has other weights (rollout.weight_sync), or reports log-probs before "
                "the temperature (start it with --logprobs-mode processed_logprobs)"
            )


def _log_probs(reported: dict[str, Any]) -> Tensor:
    """[C], from the form of completions or that of chat completions."""
    if "token_logprobs" in reported:
        return torch.tensor(reported["token_logprobs"])
    return torch.tensor([entry["logprob"] for entry in reported["content"]])


def _messages(prompt: EncodedPrompt) -> list[dict[str, Any]]:
    """One user turn, the pictures first."""
    pictures = [{"type": "image_url", "image_url": {"url": _data_url(p.source.load())}} for p in prompt.pictures]
    return [{"role": "user", "content": [*pictures, {"type": "text", "text": prompt.text}]}]


def _data_url(image: Image.Image) -> str:
    """A picture as PNG, which loses nothing of it."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"
