"""Processes that share a store: a kill loses nothing that was paid and kept, and nothing is paid for by two."""

import json
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest
from fake_chat import COST, FakeChat, serving, texts, truth

HERE = Path(__file__).parent
COUNT = 60


def started(url, folder):
    path = os.pathsep.join([str(HERE), str(HERE.parent), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, str(HERE / "judging_process.py"), url, str(folder), str(COUNT)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ | {"PYTHONPATH": path})  # noqa: S603


def ended(process):
    out, _ = process.communicate()
    assert process.returncode == 0
    return json.loads(out)


def rows(folder, query):
    with closing(sqlite3.connect(folder / "judge.sqlite")) as connection:
        return [row[0] for row in connection.execute(query)]


EXPECTED = [truth(completion.text).to_dict() for completion in texts(COUNT)]


@pytest.mark.slow
def test_after_a_kill_only_what_is_missing_is_asked_for_and_the_ledger_holds_all_that_was_sent(tmp_path):
    chat = FakeChat(seconds=0.1)
    with serving(chat) as url:
        first = started(url, tmp_path)
        while sum(chat.asked.values()) < COUNT // 2:
            assert first.poll() is None
            time.sleep(0.01)
        first.kill()
        first.communicate()
        kept, sent = len(rows(tmp_path, "SELECT key FROM answers")), sum(chat.asked.values())
        assert 0 < kept < COUNT
        assert ended(started(url, tmp_path)) == EXPECTED
    assert sum(chat.asked.values()) == sent + COUNT - kept
    under_way = rows(tmp_path, "SELECT reserved FROM calls WHERE cost IS NULL")
    assert 0 < len(under_way) <= 4, "requests of the killed process stay at their reserve"
    assert rows(tmp_path, "SELECT SUM(cost) FROM calls") == [round(COUNT * COST * 1e9)]


@pytest.mark.slow
def test_two_processes_with_the_same_completions_pay_once(tmp_path):
    chat = FakeChat(seconds=0.05)
    with serving(chat) as url:
        both = [started(url, tmp_path) for _ in range(2)]
        assert [ended(process) for process in both] == [EXPECTED, EXPECTED]
    assert set(chat.asked.values()) == {1}
    assert rows(tmp_path, "SELECT SUM(cost) FROM calls") == [round(COUNT * COST * 1e9)]
