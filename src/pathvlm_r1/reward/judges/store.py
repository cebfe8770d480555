"""What was paid for: answers by content, and a ledger that is written before money is spent; one SQLite file.

Safe among processes of one machine, whose threads take turns, and across a kill: an answer and its cost are one
transaction, and a request that was sent but never settled stays in the ledger at its reserve. Money is in nano-dollars,
whole numbers, so that sums are exact. The file must be on a local disk: SQLite's log is not for network file systems.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from tenacity import Retrying, retry_if_exception, stop_after_delay, wait_fixed

from pathvlm_r1.reward.judges.answer import Answer
from pathvlm_r1.reward.judges.errors import JudgeError
from pathvlm_r1.reward.judges.question import Question

NANO = 1_000_000_000  # nano-dollars of a dollar
VERSION = 1  # of the tables
_BUSY_SECONDS = 60.0  # that one writer waits for another
# One user of a store in this process at a time: a validation may come while a rollout is judged ahead. Each would ask
# as much at once as is allowed to both, and who closes the lock file first frees the locks of the other.
_TURN = threading.RLock()
_TABLES = """
CREATE TABLE IF NOT EXISTS calls (
    id INTEGER PRIMARY KEY, key TEXT NOT NULL, at TEXT NOT NULL DEFAULT CURRENT_TIMESTAMP,
    reserved INTEGER NOT NULL,  -- nano-dollars
    cost INTEGER,               -- nano-dollars; NULL: under way, or its process was killed
    outcome TEXT                -- what became of it; NULL likewise
);
CREATE TABLE IF NOT EXISTS answers (
    key TEXT PRIMARY KEY, call INTEGER NOT NULL, request TEXT NOT NULL, answer TEXT NOT NULL
);
"""


class Store:
    """An open file of answers and costs; use `opened`."""

    def __init__(self, path: Path, connection: sqlite3.Connection, lock_file: int) -> None:
        self.path, self._connection, self._lock_file = path, connection, lock_file

    def answer(self, key: str) -> Answer | None:
        """The answer that was paid for under this key."""
        row = self._connection.execute("SELECT answer FROM answers WHERE key = ?", (key,)).fetchone()
        return None if row is None else Answer.of(row[0])

    @property
    def spent(self) -> int:
        """Nano-dollars, with what is reserved."""
        total = self._connection.execute("SELECT COALESCE(SUM(COALESCE(cost, reserved)), 0) FROM calls").fetchone()[0]
        return int(total)

    def reserve(self, key: str, amount: int, cap: int) -> int:
        """Enter a request that is about to be sent.

        Args:
            key: of the question.
            amount: nano-dollars that it costs at most.
            cap: nano-dollars that the whole ledger may hold.

        Returns:
            The number of the call.

        Raises:
            JudgeError: the cap would be exceeded.
        """
        with self._transaction():
            spent = self.spent
            if spent + amount > cap:
                raise JudgeError(
                    f"judge.max_cost={cap / NANO:g}: {spent / NANO:.4f} USD are spent or reserved in {self.path}, and "
                    f"the next request may cost {amount / NANO:.4f}. What was answered is kept: raise judge.max_cost "
                    "to go on, with resume= as judge=openai judge.max_cost=…"
                )
            entered = self._connection.execute("INSERT INTO calls (key, reserved) VALUES (?, ?)", (key, amount))
        return int(entered.lastrowid or 0)

    def settle(self, call: int, cost: int | None, outcome: str) -> None:
        """What a call without an answer to keep has cost, in nano-dollars; None: not known, so its whole reserve."""
        self._connection.execute(
            "UPDATE calls SET cost = COALESCE(?, reserved), outcome = ? WHERE id = ?", (cost, outcome, call)
        )

    def keep(self, call: int, question: Question, cost: int, answer: Answer) -> None:
        """An answer with its cost in nano-dollars, and what was asked, without the picture."""
        with self._transaction():
            self.settle(call, cost, "answered")
            values = (question.key, call, question.logged, answer.model_dump_json())
            self._connection.execute("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?)", values)

    def try_lock(self, key: str) -> bool:
        """Keep other processes from asking under this key until `unlock`, or until this process ends in any way."""
        import fcntl  # not on Windows, where everything but this judge works

        try:
            fcntl.lockf(self._lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, _place(key))
        except BlockingIOError:
            return False
        return True

    def unlock(self, key: str) -> None:
        """Let others ask."""
        import fcntl

        fcntl.lockf(self._lock_file, fcntl.LOCK_UN, 1, _place(key))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._connection.execute("ROLLBACK")
            raise
        self._connection.execute("COMMIT")


@contextmanager
def opened(path: Path) -> Iterator[Store]:
    """The store in this file, made where there is none; another thread waits until it is closed.

    Raises:
        JudgeError: the file cannot be used.
    """
    try:
        with _TURN, closing(_connected(path)) as connection, _lock_file(path) as lock_file:
            yield Store(path, connection, lock_file)
    except sqlite3.Error as error:
        raise JudgeError(f"judge.cache={path}: cannot be used: {error}") from error


@contextmanager
def _lock_file(path: Path) -> Iterator[int]:
    number = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        yield number
    finally:
        os.close(number)


def _connected(path: Path) -> sqlite3.Connection:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise JudgeError(f"judge.cache={path}: cannot be made: {error}") from error
    connection = sqlite3.connect(path, timeout=_BUSY_SECONDS, isolation_level=None)
    try:
        again = Retrying(
            retry=retry_if_exception(_is_locked), stop=stop_after_delay(_BUSY_SECONDS),
            wait=wait_fixed(0.02), reraise=True,
        )  # fmt: skip
        again(_prepared, connection)  # going over to the log fails at once where two processes do it together
    except BaseException:
        connection.close()
        raise
    return connection


def _prepared(connection: sqlite3.Connection) -> None:
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version not in (0, VERSION):
        raise sqlite3.DatabaseError(f"its tables are of version {version}, this is {VERSION}")
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA synchronous = NORMAL")  # survives a kill; a power cut may lose the last answers
    if version == 0:
        connection.executescript(f"{_TABLES}PRAGMA user_version = {VERSION};")


def _is_locked(error: BaseException) -> bool:
    return isinstance(error, sqlite3.OperationalError) and "locked" in str(error)


def _place(key: str) -> int:
    """A byte of the lock file, beyond its end, for every key."""
    return int(key[:15], 16)
