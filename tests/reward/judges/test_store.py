"""Answers and money on disk: the cap holds under concurrent writers, a kill frees locks, a broken file is named."""

import json
import sqlite3
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import pytest
from fake_chat import answer, judge_at, texts

from pathvlm_r1.reward.judges import NANO, JudgeError, opened
from pathvlm_r1.reward.judges.answer import Answer
from pathvlm_r1.reward.judges.store import Store, _connected

ANSWER = Answer.of(json.dumps(answer("x")))
KEY = "a3" * 32
# Another program that holds the lock of this key as POSIX has it, and says so.
HOLDS = """
import fcntl, os, sys, time
file = os.open(sys.argv[1], os.O_RDWR | os.O_CREAT)
fcntl.lockf(file, fcntl.LOCK_EX, 1, int(sys.argv[2][:15], 16))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def path(tmp_path):
    return tmp_path / "new" / "judge.sqlite"


def question():
    (one,) = judge_at("http://localhost/v1", ".").asking.questions(texts(1))
    return one


def test_what_was_kept_is_there_when_the_file_is_opened_again(path):
    with opened(path) as store:
        assert store.answer(question().key) is None
        store.keep(store.reserve(question().key, 50, 100), question(), 30, ANSWER)
    with opened(path) as store:
        assert store.answer(question().key) == ANSWER
        assert store.spent == 30


def test_a_call_counts_at_its_reserve_until_it_is_settled(path):
    with opened(path) as store:
        first, second, third = (store.reserve(KEY, 10, 30) for _ in range(3))
        assert store.spent == 30
        store.settle(first, 0, "refused")
        store.settle(second, None, "no answer")
        store.settle(third, 7, "answered by another model")
        assert store.spent == 17


def test_a_call_that_would_exceed_the_cap_is_not_entered(path):
    with opened(path) as store:
        store.reserve(KEY, 2 * NANO, 3 * NANO)
        with pytest.raises(JudgeError) as caught:
            store.reserve(KEY, NANO + 1, 3 * NANO)
        assert store.spent == 2 * NANO
        store.reserve(KEY, NANO, 3 * NANO)
    assert str(caught.value).startswith(f"judge.max_cost=3: 2.0000 USD are spent or reserved in {path}, and the next ")


def test_many_writers_never_exceed_the_cap_together(path):
    def enter(_):
        entered = 0
        with closing(_connected(path)) as connection:  # as processes do, whose threads take turns
            store = Store(path, connection, lock_file=-1)
            for _ in range(20):
                try:
                    store.reserve(KEY, 7, 500)
                    entered += 1
                except JudgeError:
                    pass
        return entered

    with ThreadPoolExecutor(8) as pool:
        entered = sum(pool.map(enter, range(8)))
    with opened(path) as store:
        assert (entered, store.spent) == (500 // 7, 500 // 7 * 7)


def test_a_write_that_fails_leaves_the_ledger_as_it_was(path):
    with opened(path) as store:
        call = store.reserve(question().key, 50, 100)
        store._connection.execute("DROP TABLE answers")
    with pytest.raises(JudgeError, match="no such table: answers"), opened(path) as store:
        store.keep(call, question(), 30, ANSWER)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT reserved, cost FROM calls").fetchall() == [(50, None)]


def test_a_lock_keeps_others_from_this_key_alone_and_ends_with_its_process(path):
    with opened(path) as store:
        other = subprocess.Popen(  # noqa: S603  our own text
            [sys.executable, "-c", HOLDS, f"{path}.lock", KEY], stdout=subprocess.PIPE, text=True
        )
        assert other.stdout.readline() == "held\n"
        assert not store.try_lock(KEY)
        assert store.try_lock("b4" * 32)
        other.kill()
        other.communicate()
        assert store.try_lock(KEY)
        store.unlock(KEY)


@pytest.mark.parametrize("content", [b"not a database, but long enough to look like a file of something" * 9, b"SQL"])
def test_a_file_that_is_no_store_is_named(path, content):
    path.parent.mkdir()
    path.write_bytes(content)
    with pytest.raises(JudgeError, match=r"judge\.cache=.*judge\.sqlite: cannot be used: file is not"), opened(path):
        pass


def test_tables_of_another_version_are_left_alone(path):
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 7")
    with pytest.raises(JudgeError, match="its tables are of version 7, this is 1"), opened(path):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(JudgeError, match=r"judge\.cache=.*cannot be made"), opened(tmp_path / "file" / "judge.sqlite"):
        pass
