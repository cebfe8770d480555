"""The writer of the log: whatever a kill leaves, a run that goes on has each rollout before its checkpoint once."""

from pathlib import Path
from tempfile import TemporaryDirectory
from types import SimpleNamespace

import pytest
from graded_groups import groups_of, rewarded
from hypothesis import given
from hypothesis.strategies import integers, lists
from learnt_rollouts import learnt

from pathvlm_r1.evaluation import read_log, read_rollouts
from pathvlm_r1.grpo import group_relative_advantages
from pathvlm_r1.stages import CompletionLog
from pathvlm_r1.tracking import RunFolder, TrackingError

GROUPS = groups_of("rwr", "wcb")


def rollouts(log, indices, *, process=0, processes=1):
    """What a run of one optimiser step a rollout hands on."""
    rewards, shared = rewarded(GROUPS), {"process": process, "processes": processes}
    for index in indices:
        log.on_rollout(learnt(GROUPS, rewards, index=index, steps_before=index, step=index + 1, **shared))


def going_on(folder, *, after, process=0, processes=1):
    """The log of a run that goes on from a checkpoint which stands behind so many rollouts."""
    log = CompletionLog(folder)
    with TemporaryDirectory() as elsewhere:
        before = CompletionLog(RunFolder(Path(elsewhere)))
        rollouts(before, range(after), processes=processes)
        log.load_state_dict(before.state_dict())
    log.on_fit_start(SimpleNamespace(global_rank=process, is_global_zero=process == 0), None)
    return log


@pytest.fixture
def folder(tmp_path):
    return RunFolder(tmp_path)


@pytest.mark.medium
@given(after=integers(0, 4), lost=integers(0, 4), torn=integers(0, 1200))
def test_an_interrupted_log_goes_on_to_that_of_an_uninterrupted_run(after, lost, torn, tmp_path_factory):
    straight, broken = (RunFolder(tmp_path_factory.mktemp(name)) for name in ("straight", "broken"))
    rollouts(CompletionLog(straight), range(6))
    whole = straight.completions_of(0).read_bytes()
    log = CompletionLog(broken)
    rollouts(log, range(after + lost))
    path = broken.completions_of(0)
    kept = path.read_bytes() if path.exists() else b""
    path.write_bytes(kept + whole[len(kept) :][:torn])  # whole lines, and one in the middle of which the kill came
    rollouts(going_on(broken, after=after), range(after, 6))
    assert path.read_bytes() == whole


def test_a_line_that_lacks_only_its_end_is_torn_too(folder):
    rollouts(CompletionLog(folder), range(2))
    path = folder.completions_of(0)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(
        TrackingError, match=r"of the 2 rollouts before the checkpoint, which knows .* put the file back"
    ):
        going_on(folder, after=2)


def test_files_of_processes_that_there_no_longer_are_are_cut_off_too(folder):
    for process in (0, 1, 10):
        rollouts(CompletionLog(folder), range(3), process=process, processes=11)
    (folder.path / "completions.old.jsonl").write_text("mine\n")
    going_on(folder, after=1, processes=11)
    assert [path.name for path in folder.completions] == [
        "completions.jsonl", "completions.1.jsonl", "completions.10.jsonl",
    ]  # fmt: skip
    assert {len(read_log(path)) for path in folder.completions} == {6}
    assert (folder.path / "completions.old.jsonl").read_text() == "mine\n"


def test_another_process_cuts_its_own_file_alone(folder):
    for process in (0, 1):
        rollouts(CompletionLog(folder), range(3), process=process, processes=2)
    going_on(folder, after=1, process=1)
    assert [len(read_log(path)) for path in folder.completions] == [18, 6]


def test_a_log_that_was_taken_away_stops_the_run_before_a_step(folder):
    with pytest.raises(TrackingError, match=r"completions\.jsonl: has 0 bytes of the 3 rollouts"):
        going_on(folder, after=3)


@given(counts=lists(integers(1, 3), max_size=4))
def test_a_checkpoint_knows_the_rollouts_before_it(counts, tmp_path_factory):
    log, done = CompletionLog(RunFolder(tmp_path_factory.mktemp("run"))), 0
    for count in counts:
        rollouts(log, range(done, done + count))
        done += count
        assert log.state_dict() == {"rollouts": done, "bytes": log.folder.completions_of(0).stat().st_size}


def test_a_line_has_the_place_the_words_and_the_numbers_of_its_completion(folder):
    rewards = rewarded(GROUPS)
    rollouts(CompletionLog(folder), [0])
    (rollout,) = read_rollouts(folder.completions)
    (share,) = rollout.shares
    for b, group in enumerate(GROUPS):
        for g, completion in enumerate(group):
            logged = share[b][g]
            assert (logged.sample_id, logged.completion) == (completion.sample.sample_id, completion.text)
            assert (logged.finish_reason, logged.token_count) == (completion.finish_reason, completion.token_count)
            assert logged.terms == {name: scores[b][g] for name, scores in rewards.scores.items()}
            numbers = rewards.total[b, g], group_relative_advantages(rewards.total)[b, g]
            assert (logged.total, logged.advantage) == tuple(map(float, numbers))
