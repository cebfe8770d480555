"""What an evaluation generates is kept: across a kill, for other contracts, and for the next evaluation."""

import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from running import LIGHTNING_WARNINGS, ROOT, composed, evaluated, runs_below

from pathvlm_r1.config import ConfigError, EvalConfig
from pathvlm_r1.contract import CONTRACTS
from pathvlm_r1.data.errors import DatasetError
from pathvlm_r1.evaluation import read_predictions
from pathvlm_r1.rollout import NativeEngine

pytestmark = LIGHTNING_WARNINGS

FEW = ("rollout.rows_per_batch=1", "dataset.splits.test=10")  # portions of four questions: 4, 4, 2
SAMPLED = (*FEW, "evaluation=sampled", "evaluation.samples=2")


@pytest.fixture
def asked(monkeypatch):
    """How many prompts each call of the engine had."""
    sample, calls = NativeEngine.sample, []

    def counting(self, policy, prompts, *rest):
        calls.append(len(prompts))
        return sample(self, policy, prompts, *rest)

    monkeypatch.setattr(NativeEngine, "sample", counting)
    return calls


def predictions(output: Path, name: str) -> Path:
    ((run, _),) = runs_below(output)
    return run.predictions / f"{name}.jsonl"


def killed(output: Path, call: int, *overrides: str) -> None:
    """An evaluation in a process of its own that is killed in this call of the engine."""
    script = ROOT / "tests" / "end_to_end" / "killed_evaluation.py"
    paths = os.pathsep.join([str(ROOT / "src"), *(path for path in sys.path if path)])
    environment = os.environ | {"PYTHONPATH": paths, "OMP_NUM_THREADS": "1"}
    arguments = [sys.executable, str(script), str(output), str(call), *overrides]
    ended = subprocess.run(arguments, env=environment, capture_output=True, check=False)  # noqa: S603  our own script
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.slow
@pytest.mark.parametrize(("overrides", "name"), [(FEW, "greedy"), (SAMPLED, "sampled")])
def test_a_killed_evaluation_asks_what_is_missing_and_ends_in_the_same_bytes(tmp_path, asked, overrides, name):
    evaluated(f"output={tmp_path / 'straight'}", *overrides)
    straight = predictions(tmp_path / "straight", f"phantom.test.{name}")
    assert asked == [4, 4, 2]
    killed(tmp_path / "broken", 3, *overrides)
    broken = predictions(tmp_path / "broken", f"phantom.test.{name}")
    assert not broken.exists(), "no scores before all is answered"
    asked.clear()
    evaluated(f"output={tmp_path / 'broken'}", *overrides)
    assert asked == [2]
    assert broken.read_bytes() == straight.read_bytes()


def test_what_is_answered_is_answered_once_and_what_decides_it_is_in_its_name(tmp_path, asked):
    output = (f"output={tmp_path}", *FEW)
    first = evaluated(*output)
    asked.clear()
    assert evaluated(*output) == first
    assert evaluated(*output, "evaluation.replicates=60", "reward=accuracy")[0].accuracy == first[0].accuracy
    assert asked == [], "intervals and rewards are no part of a completion"
    for other in ("model.max_completion_tokens=8", "dataset.seed=5", "rollout.rows_per_batch=2", "blank_images=true"):
        asked.clear()
        evaluated(*output, other)
        assert sum(asked) == 10, other
    asked.clear()
    evaluated(*output, "fresh=true")
    assert sum(asked) == 10
    ((run, _),) = runs_below(tmp_path)
    files = run.generations.glob("*.jsonl")
    headers = [json.loads(path.read_text().splitlines()[0])["identity"] for path in files]
    assert len(headers) == 5
    kept = read_predictions(predictions(tmp_path, "phantom.test.greedy"))
    assert {p.checkpoint_hash for p in kept} == {header["checkpoint"] for header in headers}
    assert {p.data_hash for p in kept} <= {header["data"] for header in headers}


def test_contracts_that_ask_alike_share_a_pass_and_every_row_says_whose_it_is(tmp_path, asked):
    names = ["think_answer_v1", "pathmmu_official_v1", "pathmmu_official_v1_with_miscounts", "medevalkit_v1"]
    rows = evaluated(f"output={tmp_path}", *FEW, f"contracts=[{','.join(names)}]", "rollout.rows_per_batch=64")
    assert asked == [10, 10, 10], "the released loader cuts no option of a phantom"
    assert [row.contract for row in rows] == names
    read = {name: read_predictions(file_of(tmp_path, name)) for name in names}
    assert [p.completion for p in read[names[1]]] == [p.completion for p in read[names[2]]]
    for name, found in read.items():
        assert {p.contract for p in found} == {name}
        assert [p.answer for p in found] == [
            CONTRACTS[name].read(p.completion, sample).answer for p, sample in zip(found, samples(), strict=True)
        ]
        assert all((p.process is not None) == (name == names[0]) for p in found), "its own terms alone"
    assert rows[2].guessed == rows[1].unread
    assert rows[3].cap == CONTRACTS["medevalkit_v1"].asking.max_completion_tokens, "without raising, its own"


def file_of(output, name):
    foreign = "" if name == "think_answer_v1" else f".{name}"
    return predictions(output, f"phantom.test.greedy{foreign}")


def samples():
    from pathvlm_r1.assembly import load_samples

    config = EvalConfig.checked(composed("eval", "dataset.splits.test=10"))
    return load_samples(config.dataset, "test")


def test_a_contract_sees_pictures_in_its_own_size_and_its_own_system_text(tmp_path, monkeypatch):
    seen = []
    sample = NativeEngine.sample

    def looking(self, policy, prompts, *rest):
        seen.append((prompts[0].pictures[0].grid_thw.prod().item() * 14 * 14, prompts[0].token_ids))
        decodes, decoding, generator = rest
        return sample(self, policy, prompts, decodes, replace(decoding, max_completion_tokens=4), generator)

    monkeypatch.setattr(NativeEngine, "sample", looking)
    chosen = ("contracts=[think_answer_v1,lmms_eval_slake_v1]", "dataset.splits.test=1")
    with pytest.raises(DatasetError, match=r"phantom .*: contract lmms_eval_slake_v1 shows no options"):
        evaluated(f"output={tmp_path}", *chosen)
    assert seen == [], "refused before anything is loaded"
    evaluated(f"output={tmp_path}", "contracts=[think_answer_v1,vlmevalkit_v1]", "dataset.splits.test=1")
    (ours, with_system), (theirs, without) = seen
    assert ours == 112 * 112
    assert theirs >= CONTRACTS["vlmevalkit_v1"].asking.min_pixels
    assert len(without) > 1280
    assert (with_system[0] == without[0], with_system[1] == without[1]) == (True, False), "system, and at once user"


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("contracts=[]", r"contracts=\[\]: at least one of think_answer_v1, "),
        ("contracts=[think_answer_v2]", r"contracts=\[think_answer_v2\]: each one of think_answer_v1, "),
        ("contracts=[medevalkit_v1,medevalkit_v1]", "each one once"),
        ("raise_cap_to=0", "raise_cap_to=0: at least 1"),
    ],
)
def test_a_contract_that_there_is_not_ends_before_anything_is_loaded(typed, message):
    with pytest.raises(ConfigError, match=message):
        EvalConfig.checked(composed("eval", typed))


def test_a_server_is_not_asked_under_a_contract_of_other_pixels_or_system_text():
    server = ("rollout=vllm", "rollout.weight_sync=none")
    EvalConfig.checked(composed("eval", *server, "contracts=[pathmmu_official_v1]"))
    with pytest.raises(ConfigError, match=r"rollout=vllm: native or hf for contracts=\[vlmevalkit_v1\]"):
        EvalConfig.checked(composed("eval", *server, "contracts=[vlmevalkit_v1]"))
