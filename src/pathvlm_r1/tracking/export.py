"""A trained model as a Hugging Face folder that the stock classes load."""

from __future__ import annotations

import copy
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from peft import PeftModel
from peft.tuners.lora import LoraLayer
from torch import Tensor, nn
from transformers import GenerationConfig

from pathvlm_r1.model.processor import ImageTextProcessor, save_processor
from pathvlm_r1.tracking.files import disk_faults_explained, sync, write_json

PROVENANCE = "provenance.json"
ADAPTER = "adapter"


def export_model(model: nn.Module, processor: ImageTextProcessor, folder: Path, provenance: Mapping[str, Any]) -> None:
    """Write weights, config, tokenizer and image processor, and where they come from; the folder appears as a whole.

    A LoRA adapter is merged into plain weights and also stands alone in `adapter/`. The model is not changed.

    Args:
        model: a Qwen2.5-VL model, or a PEFT model with one LoRA adapter around it.
        processor: what goes with it.
        folder: an older one of that name is replaced.
        provenance: written to `provenance.json`; with equal contents two exports are equal byte for byte.

    Raises:
        TrackingError: the folder cannot be written; an older one is unchanged.
    """
    partial = folder.with_name(f".{folder.name}.{os.getpid()}.partial")
    kept = f"the older {folder.name} is unchanged" if folder.exists() else f"no {folder.name} was left behind"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        with disk_faults_explained(folder, kept):
            partial.mkdir(parents=True)
            _write_weights(model, partial)
            save_processor(processor, partial)
            write_json(partial / PROVENANCE, dict(provenance))
            _replace_folder(partial, folder)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def merged_state(model: nn.Module) -> dict[str, Tensor]:
    """The weights under the stock model's names, on the CPU, with a LoRA adapter's product added to its layer."""
    if not isinstance(model, PeftModel):
        return {name: tensor.detach().cpu() for name, tensor in model.state_dict().items()}
    core = model.get_base_model()
    layers = {name: layer for name, layer in core.named_modules() if isinstance(layer, LoraLayer)}
    state = {}
    for name, tensor in core.state_dict().items():
        if ".lora_" in name:
            continue
        owner = name.removesuffix(".base_layer.weight")
        merged = _merged_weight(layers[owner], tensor) if owner in layers and owner != name else tensor
        state[name.replace(".base_layer.", ".")] = merged.detach().cpu()
    return state


def _merged_weight(layer: Any, weight: Tensor) -> Tensor:
    (adapter,) = layer.active_adapters
    with torch.no_grad():
        merged: Tensor = weight.float() + layer.get_delta_weight(adapter).float()
    return merged.to(weight.dtype)


def _write_weights(model: nn.Module, folder: Path) -> None:
    core: Any = model.get_base_model() if isinstance(model, PeftModel) else model
    config = copy.deepcopy(core.config)
    config.name_or_path = ""  # the place where training found its parent
    with torch.device("meta"):  # names and settings without weights, so that nothing of the model at work is touched
        stock = type(core)(config).to(core.dtype)
    stock.generation_config = _neutral_generation(core.generation_config)
    stock.save_pretrained(folder, state_dict=merged_state(model))
    if isinstance(model, PeftModel):
        _write_adapter(model, folder / ADAPTER)


def _neutral_generation(used: GenerationConfig) -> GenerationConfig:
    """Greedy, with the special tokens and nothing else, so that no sampling setting leaks into who loads it."""
    return GenerationConfig(
        do_sample=False,
        bos_token_id=used.bos_token_id,
        eos_token_id=used.eos_token_id,
        pad_token_id=used.pad_token_id,
    )


def _write_adapter(model: Any, folder: Path) -> None:
    model.save_pretrained(folder, save_embedding_layers=False)  # else PEFT asks the hub for the base's vocabulary
    (folder / "README.md").unlink(missing_ok=True)  # a template without a fact
    path = folder / "adapter_config.json"
    settings = json.loads(path.read_text(encoding="utf-8"))
    if isinstance(settings["target_modules"], list):
        settings["target_modules"].sort()  # a set: its order differs from process to process
    write_json(path, settings)


def _replace_folder(partial: Path, folder: Path) -> None:
    for path in (*partial.rglob("*"), partial):
        sync(path)
    older = folder.with_name(f".{folder.name}.{os.getpid()}.older")
    if folder.exists():
        folder.rename(older)
    try:
        partial.rename(folder)
    except OSError:
        if older.exists():
            older.rename(folder)
        raise
    sync(folder.parent)
    shutil.rmtree(older, ignore_errors=True)
