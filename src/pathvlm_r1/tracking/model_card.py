"""The card of an exported model, made of its run's manifest: what it is, what it learned from, what was measured."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from omegaconf import OmegaConf

from pathvlm_r1.tracking.manifest import Manifest

_LIMITS = (
    "A research model. It is no medical device, and nothing it writes is a finding about a patient. What is measured "
    "above was measured on the run's own validation split, by which its weights were chosen; it says nothing of other "
    "pictures."
)
_MEASURES = {
    "validation/accuracy": "accuracy",
    "validation/format": "share of completions in the form that is asked for",
    "validation/process": "process score",
    "validation/completion_tokens": "tokens a completion",
}


def model_card(manifest: Manifest) -> str:
    """README.md of an export, with the head that a hub reads; the same run makes the same card.

    Args:
        manifest: of a run that has measured all that it measures.
    """
    return "\n".join([*_head(manifest), "", f"# {manifest.name}", "", *_body(manifest)])


def _head(manifest: Manifest) -> Iterator[str]:
    parent = manifest.parent
    head: dict[str, object] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["pathvlm-r1", manifest.arm, manifest.config["model"]["name"]],
    }
    if parent is not None and parent.id is not None and "/" in parent.id:  # a hub id; a folder means nothing elsewhere
        head["base_model"] = parent.id
    yield "---"
    yield OmegaConf.to_yaml(OmegaConf.create(head)).rstrip()
    yield "---"


def _body(manifest: Manifest) -> Iterator[str]:
    config, git = manifest.config, manifest.git
    yield f"Arm `{manifest.arm}` of pathvlm-r1 {manifest.package_version}: stage `{manifest.stage}`."
    yield ""
    yield "| what | which |"
    yield "|---|---|"
    yield f"| model | `{config['model']['name']}`, from {_parent(manifest)} |"
    yield f"| data | `{manifest.data.name}`, SHA-256 {manifest.data.hash} |"
    if "reward" in config and manifest.stage == "grpo":
        yield f"| reward, judge | `{config['reward']['name']}`, `{config['judge']['name']}` |"
        yield f"| objective | `{config['objective']['name']}` |"
    yield f"| adapter | `{config['adapter']['name']}` |"
    yield f"| seeds | {', '.join(f'{name} {value}' for name, value in manifest.seeds.items())} |"
    yield f"| content hash of the run | {manifest.content_hash} |"
    if git is not None:
        yield f"| commit | {git['commit']}{', with changes' if git['is_dirty'] else ''} |"
    measured = {name: manifest.measured[name] for name in _MEASURES if manifest.measured.get(name) is not None}
    if measured:
        yield ""
        yield f"On the validation split, greedy, at step {manifest.measured['best_step']:.0f}:"
        yield ""
        yield "| measure | value |"
        yield "|---|---|"
        yield from (f"| {_MEASURES[name]} | {value:.3f} |" for name, value in measured.items())
    yield ""
    yield _LIMITS
    yield ""
    yield "Load it with `transformers.AutoModelForImageTextToText`, or evaluate it:"
    yield ""
    yield f"    python src/eval.py model={config['model']['name']} model.checkpoint=FOLDER"
    yield ""


def _parent(manifest: Manifest) -> str:
    """The name alone of what stands on this machine: a card is for others."""
    parent = manifest.parent
    if parent is None:
        return "random weights"
    return f"`{parent.id or Path(parent.run or parent.path or '').name}`, weights {parent.hash or 'unknown'}"
