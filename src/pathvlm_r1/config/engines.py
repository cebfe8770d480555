"""What each rollout engine can do, and the refusal of a configuration that asks for more."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pathvlm_r1.config.rules import raise_any

Filter = Literal["top_k", "top_p", "min_p"]
Capability = Filter | Literal["images", "log_probs", "own_model"]

FILTERS_OFF: dict[Filter, float] = {"top_k": 0, "top_p": 1, "min_p": 0}
WORDS: dict[Capability, str] = {
    "top_k": "restrict its draws to the likeliest tokens by their number",
    "top_p": "restrict its draws to the likeliest tokens by their share of the probability",
    "min_p": "restrict its draws to tokens by their probability beside the likeliest one's",
    "images": "take pictures",
    "log_probs": "return the log-probs under which it samples",
    # the trainer's code with its weights, so that log-probs agree but for rounding; any other has its loss corrected
    "own_model": "sample from the trainer's own model, whose log-probs the loss takes as they are",
}
CAPABILITIES: dict[str, frozenset[Capability]] = {
    "native": frozenset(WORDS),
    "hf": frozenset(WORDS),
    "vllm": frozenset(WORDS) - {"own_model"},
}


def require_engine(name: str, needs: Mapping[Capability, str]) -> None:
    """Refuse an engine that lacks what the configuration asks for.

    Args:
        name: of the engine, a key of `CAPABILITIES`.
        needs: what is asked for -> what asks for it, as the user types it.

    Raises:
        ConfigError: all that the engine lacks, each with the engines that have it.
    """
    messages = []
    for capability, asked_by in needs.items():
        able = [engine for engine, has in CAPABILITIES.items() if capability in has]
        if name not in able:
            lack = f"rollout={name} cannot {WORDS[capability]}"
            messages.append(f"{asked_by}: {lack}; engines that can: {', '.join(able) or 'none'}")
    raise_any("that the engine cannot serve", messages)
