"""Jobs and identities <-> one SQLite file, which a kill leaves whole."""

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from talkface.errors import MediaError, PassingError

State = Literal["queued", "running", "done", "failed", "cancelled"]
TABLES = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, number INTEGER NOT NULL, state TEXT NOT NULL, created REAL NOT NULL, finished REAL,
    options TEXT NOT NULL, identity TEXT, warnings TEXT NOT NULL, code TEXT, error TEXT, frames INTEGER NOT NULL,
    total INTEGER NOT NULL, video TEXT, tries INTEGER NOT NULL
);
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, number);
CREATE TABLE IF NOT EXISTS identities (
    id TEXT PRIMARY KEY, name TEXT NOT NULL, created REAL NOT NULL, warnings TEXT NOT NULL
);
"""


@dataclass
class Job:
    """One video that was asked for.

    Attributes:
        id: random, hard to guess.
        state: `queued`, `running`, `done`, `failed` or `cancelled`.
        created: seconds since 1970.
        finished: the same, once it is.
        options: of `animate`, as they were given.
        identity: id of the kept person that speaks, where no photo came with the job.
        warnings: remarks on photo and speech.
        code: of the error, where it failed.
        error: the error, one line.
        frames: done so far.
        total: frames of the whole video.
        video: name of the file in the job's folder.
        tries: times that it was begun.
    """

    id: str
    state: State = "queued"
    created: float = field(default_factory=time.time)
    finished: float | None = None
    options: dict[str, Any] = field(default_factory=dict)
    identity: str | None = None
    warnings: list[str] = field(default_factory=list)
    code: str | None = None
    error: str | None = None
    frames: int = 0
    total: int = 0
    video: str | None = None
    tries: int = 0


class Store:
    """Everything that must survive; used from several threads."""

    def __init__(self, path: Path) -> None:
        """Open or make the file; jobs that ran when the last server ended wait again.

        Raises:
            MediaError: the file is damaged or cannot be written.
        """
        self._lock = threading.RLock()
        with self._explained(path):
            self._base = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._base.row_factory = sqlite3.Row
            self._base.execute("PRAGMA journal_mode=WAL")
            self._base.execute("PRAGMA synchronous=FULL")
            self._base.executescript(TABLES)
            self._base.execute("UPDATE jobs SET state = 'queued', frames = 0 WHERE state = 'running'")
        self._path = path
        path.chmod(0o600)

    def close(self) -> None:
        """End; nothing is lost."""
        with self._lock:
            self._base.close()

    def add(self, job: Job) -> None:
        """Keep a new job; it is on the disk when this returns."""
        values = asdict(job) | {"options": json.dumps(job.options), "warnings": json.dumps(job.warnings)}
        names = ", ".join(values)
        places = ", ".join(f":{name}" for name in values)
        counted = "(SELECT COALESCE(MAX(number), 0) + 1 FROM jobs)"
        self._do(f"INSERT INTO jobs ({names}, number) VALUES ({places}, {counted})", values)

    def update(self, job_id: str, *, only_in: tuple[State, ...] = (), **changes: Any) -> bool:
        """Change fields of a job; False where it is none, or in none of the states `only_in`."""
        sets = ", ".join(f"{name} = :{name}" for name in changes)
        states = ", ".join(f"'{state}'" for state in only_in)
        where = f" AND state IN ({states})" if only_in else ""
        return self._do(f"UPDATE jobs SET {sets} WHERE id = :id{where}", {**changes, "id": job_id}).rowcount > 0

    def take(self) -> Job | None:
        """The job that waits longest, now running."""
        with self._lock:
            found = self._jobs("WHERE state = 'queued' ORDER BY number LIMIT 1")
            if not found:
                return None
            self.update(found[0].id, state="running", tries=found[0].tries + 1)
            return self.job(found[0].id)

    def job(self, job_id: str) -> Job | None:
        """A job by its id."""
        found = self._jobs("WHERE id = ?", job_id)
        return found[0] if found else None

    def jobs(self, limit: int = 100) -> list[Job]:
        """The newest jobs, newest first."""
        return self._jobs("ORDER BY number DESC LIMIT ?", limit)

    def position(self, job_id: str) -> int:
        """Jobs that are made before this one; 0 where it is next, running or made."""
        query = "SELECT COUNT(*) FROM jobs WHERE state = 'queued' AND number < (SELECT number FROM jobs WHERE id = ?)"
        return int(self._do(query, (job_id,)).fetchone()[0])

    def counts(self) -> dict[str, int]:
        """Jobs by state."""
        rows = self._do("SELECT state, COUNT(*) FROM jobs GROUP BY state").fetchall()
        return {row[0]: int(row[1]) for row in rows}

    def finished_before(self, when: float) -> list[str]:
        """Jobs that ended before `when`."""
        return [row[0] for row in self._do("SELECT id FROM jobs WHERE finished < ?", (when,)).fetchall()]

    def forget(self, job_id: str) -> None:
        """Delete a job's row."""
        self._do("DELETE FROM jobs WHERE id = ?", (job_id,))

    def add_identity(self, identity_id: str, name: str, warnings: list[str]) -> None:
        """Keep a person's row; the file is kept beside."""
        self._do("INSERT INTO identities VALUES (?, ?, ?, ?)", (identity_id, name, time.time(), json.dumps(warnings)))

    def identities(self) -> list[dict[str, Any]]:
        """All kept people, oldest first."""
        rows = self._do("SELECT * FROM identities ORDER BY created").fetchall()
        return [{**dict(row), "warnings": json.loads(row["warnings"])} for row in rows]

    def forget_identity(self, identity_id: str) -> bool:
        """Delete a person's row; False where there is none."""
        return self._do("DELETE FROM identities WHERE id = ?", (identity_id,)).rowcount > 0

    def _jobs(self, rest: str, *values: Any) -> list[Job]:
        rows = self._do(f"SELECT * FROM jobs {rest}", values).fetchall()
        return [_job_of(dict(row)) for row in rows]

    def _do(self, query: str, values: Any = ()) -> sqlite3.Cursor:
        with self._lock, self._explained(self._path):
            return self._base.execute(query, values)

    @contextlib.contextmanager
    def _explained(self, path: Path) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if "full" in str(error):
                raise PassingError("no space left for jobs: delete videos, or give --folder on another disk") from error
            raise MediaError(f"{path} cannot be used: {error}; give another --folder") from error
        except sqlite3.DatabaseError as error:
            raise MediaError(f"{path} is damaged ({error}): move it away, or give another --folder") from error


def _job_of(row: dict[str, Any]) -> Job:
    row.pop("number")
    return Job(**row | {"options": json.loads(row["options"]), "warnings": json.loads(row["warnings"])})
