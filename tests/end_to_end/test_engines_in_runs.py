"""Whole runs with each engine; vLLM's place is taken by a local server of its interface."""

import pytest
import torch
from fake_vllm import FakeVLLM, Refused, serving
from running import (
    LIGHTNING_WARNINGS,
    TINY,
    TINY_DATA,
    TINY_GRPO,
    are_equal,
    composed,
    entry,
    evaluated,
    exported,
    metrics,
    reward_brevity,
    runs_below,
    trained,
)

from pathvlm_r1.assembly.policies import load_policy
from pathvlm_r1.config import EvalConfig, FullConfig
from pathvlm_r1.rollout import EngineError
from pathvlm_r1.tracking import read_manifest

pytestmark = LIGHTNING_WARNINGS


@pytest.mark.parametrize("engine", ["native", "hf"])
def test_grpo_trains_on_the_completions_of_each_engine_and_finds_its_log_probs_again(engine, tmp_path):
    run = trained(tmp_path, *TINY_GRPO, f"rollout={engine}", "stage.init=base", "trainer.max_steps=1")
    (row,) = metrics(run)
    assert float(row["grpo/sampler_mismatch"]) < 1e-4, "in float32 rounding alone"
    assert float(row["grpo/ratio"]) == pytest.approx(1, abs=1e-5)
    assert read_manifest(run.path).config["rollout"]["name"] == engine


def test_the_engines_give_the_same_greedy_scores(tmp_path):
    rows = [evaluated(f"output={tmp_path / engine}", f"rollout={engine}") for engine in ("native", "hf")]
    assert rows[0] == rows[1]


@pytest.mark.parametrize("engine", ["native", "hf"])
def test_an_evaluation_may_draw_with_every_filter(engine, tmp_path):
    filters = ("evaluation.top_k=20", "evaluation.top_p=0.9", "evaluation.min_p=0.05", "evaluation.samples=2")
    (row,) = evaluated(f"output={tmp_path}", f"rollout={engine}", "evaluation=sampled", *filters)
    assert row.n == 12  # two decodes of six questions


@pytest.fixture
def nano_server():
    """A server that has the embedded base, and its address."""
    config = EvalConfig.checked(composed("eval", *TINY_DATA))
    adapter = FullConfig(name="full", train_vision=False)
    loaded = load_policy(config.model, adapter, precision="32-true", temperature=1.0, is_dropout_on=False)
    fake = FakeVLLM(encoder=loaded.encoder, model=loaded.policy.core)
    with serving(fake) as url:
        yield fake, url


@pytest.mark.parametrize("weight_sync", ["none", "reload"])
def test_an_evaluation_by_a_server_gives_the_same_greedy_scores(weight_sync, nano_server, tmp_path):
    fake, url = nano_server
    sync = [
        f"rollout.weight_sync={weight_sync}",
        *[f"rollout.sync_folder={tmp_path / 'sync'}"] * (weight_sync != "none"),
    ]
    served = evaluated(f"output={tmp_path / 'vllm'}", "rollout=vllm", f"rollout.url={url}", *sync)
    assert served == evaluated(f"output={tmp_path / 'native'}")
    assert ("POST /collective_rpc" in {path for path, _ in fake.asked}) == (weight_sync == "reload")


@pytest.mark.parametrize(("adapter", "weight_sync"), [("full", "reload"), ("lora", "adapter")])
def test_sft_validates_on_the_answers_of_a_server_that_follows_its_weights(adapter, weight_sync, nano_server, tmp_path):
    _, url = nano_server
    measured = []
    for output, rollout in (
        ("native", []),
        ("vllm", ["rollout=vllm", f"rollout.url={url}", f"rollout.weight_sync={weight_sync}",
                  f"rollout.sync_folder={tmp_path / 'sync'}"]),
    ):  # fmt: skip
        run = trained(tmp_path / output, "stage=sft", f"adapter={adapter}", *rollout)
        measured.append(read_manifest(run.path).measured["validation"])
    assert measured[0] == measured[1]


@pytest.mark.parametrize("is_ahead", [False, True])
def test_a_run_that_its_server_ends_keeps_its_last_step_and_goes_on_to_the_same_weights(
    is_ahead, nano_server, tmp_path, monkeypatch
):
    fake, url = nano_server
    reward_brevity(monkeypatch)
    asked = (
        *TINY, *TINY_GRPO, "trainer.max_steps=4", "stage.init=base", "adapter=lora", "stage.validation_every=4",
        "rollout=vllm", f"rollout.url={url}", "rollout.weight_sync=adapter", f"rollout.sync_folder={tmp_path / 'sync'}",
        "rollout.attempts=1", f"rollout.async_judge={str(is_ahead).lower()}",
    )  # fmt: skip
    straight = trained(tmp_path / "straight", *asked)
    sampled = sum(path == "POST /v1/chat/completions" for path, _ in fake.asked)
    fake.asked.clear()
    handle = fake.handle

    def ending(method, path, body):
        if sum(path == "POST /v1/chat/completions" for path, _ in fake.asked) > sampled // 2:
            raise Refused(400, "out of memory")
        return handle(method, path, body)

    fake.handle = ending
    with pytest.raises(EngineError, match=r"out of memory.*; go on with: python src/train\.py resume="):
        trained(tmp_path / "broken", *asked)
    ((broken, manifest),) = runs_below(tmp_path / "broken")
    assert manifest.status == "failed"
    assert 0 < torch.load(broken.last_checkpoint, weights_only=True)["global_step"] < 4
    fake.handle = handle
    outcome = entry("train", f"resume={broken.path}")
    assert outcome.status == 0, outcome.text
    assert are_equal(exported(broken), exported(straight))
