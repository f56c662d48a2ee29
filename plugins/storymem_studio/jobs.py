"""A queue of storymem commands, each a process of its own.

A command that renders goes on when the page is closed or the studio is restarted, and is stopped as in a terminal. The
queue is kept in the user's own state folder, never in a folder of runs: what it says is executed.
"""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

from platformdirs import user_state_path

from storymem.script.writing import write_text

_TICK = 0.2  #: seconds between two looks at a process
_KEPT = 20  #: finished jobs that are remembered
_SHOWN = 3  #: of them on every page
_TAIL = 4000  #: bytes of a job's output that are shown


@dataclass(frozen=True, slots=True)
class Job:
    """One command.

    Attributes:
        id: Random.
        run: Name of the run it works on.
        title: What it does, for people.
        arguments: Of ``storymem``.
        state: queued, running, done, failed, stopped, or ended where its exit code is not known.
        pid: Its process, once it has one.
    """

    run: str
    title: str
    arguments: tuple[str, ...]
    id: str = field(default_factory=lambda: secrets.token_hex(6))
    state: str = "queued"
    pid: int = 0

    @property
    def open(self) -> bool:
        """Whether it is still to be done."""
        return self.state in {"queued", "running"}


class Jobs:
    """Runs jobs one after the other.

    Args:
        root: The studio's folder; it names the queue.
    """

    def __init__(self, root: Path) -> None:
        name = hashlib.sha256(str(root).encode("utf-8", "surrogateescape")).hexdigest()[:16]
        self._folder = user_state_path("storymem") / "studio" / name
        self._file = self._folder / "queue.json"
        self._lock = threading.RLock()
        self._closing = threading.Event()
        self._work = threading.Event()
        self._thread: threading.Thread | None = None
        self._jobs: list[Job] = self._read()

    def start(self) -> None:
        """Begin, or continue where a studio that was ended left off."""
        self._closing.clear()
        self._thread = threading.Thread(target=self._loop, name="studio-jobs", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Stop looking after jobs; a command that is running goes on."""
        self._closing.set()
        self._work.set()
        if self._thread is not None:
            self._thread.join()

    def add(self, run: str, title: str, arguments: Sequence[str]) -> Job:
        """Queue a command."""
        job = Job(run, title, tuple(arguments))
        with self._lock:
            self._jobs.append(job)
            self._save()
        self._work.set()
        return job

    def all(self) -> tuple[Job, ...]:
        """Return all jobs, oldest first."""
        with self._lock:
            return tuple(self._jobs)

    def shown(self) -> tuple[Job, ...]:
        """Return the jobs that are still to be done, and the last few that are over, oldest first."""
        jobs = self.all()
        over = [job for job in jobs if not job.open][-_SHOWN:]
        return tuple(job for job in jobs if job.open or job in over)

    def stop(self, id_: str) -> None:
        """Take a job out of the queue, or interrupt it as Ctrl-C does."""
        with self._lock:
            job = next((job for job in self._jobs if job.id == id_ and job.open), None)
            if job is None:
                return
            if job.state == "queued":
                self._change(job, state="stopped")
            elif _is_ours(job.pid):
                with suppress(ProcessLookupError):
                    os.kill(job.pid, signal.SIGINT)

    def output(self, job: Job) -> str:
        """Return the end of what a job printed."""
        try:
            with self._log(job).open("rb") as file:
                file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
                return file.read().decode("utf-8", "replace")
        except OSError:  # it has not begun
            return ""

    def _log(self, job: Job) -> Path:
        return self._folder / f"{job.id}.log"

    def _loop(self) -> None:
        while not self._closing.is_set():
            job = next((job for job in self.all() if job.open), None)
            if job is None:
                self._work.wait()
                self._work.clear()
            elif job.state == "queued":
                self._begin(job)
            else:
                self._watch(job)

    def _begin(self, job: Job) -> None:
        command = [sys.executable, "-m", "storymem.cli.main", *job.arguments]
        with self._lock:
            if job not in self._jobs:  # stopped meanwhile
                return
            with self._log(job).open("wb") as log:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT, start_new_session=True
                )
            # Waited for by its number, as one that another studio began: this object may go while the process runs.
            process.returncode = 0
            self._change(job, state="running", pid=process.pid)

    def _watch(self, job: Job) -> None:
        """Look at a running job once; it may have been begun by a studio that was ended."""
        code = self._code(job.pid)
        if code is None:
            self._closing.wait(_TICK)
            return
        states = {0: "done", 130: "stopped", -signal.SIGINT: "stopped", _UNKNOWN: "ended"}
        self._change(job, state=states.get(code, "failed"))

    @staticmethod
    def _code(pid: int) -> int | None:
        with suppress(ChildProcessError, AttributeError):  # another studio's child; Windows has no such call
            found, status = os.waitpid(pid, os.WNOHANG)
            return os.waitstatus_to_exitcode(status) if found else None
        return None if _is_ours(pid) else _UNKNOWN

    def _change(self, job: Job, state: str, pid: int | None = None) -> None:
        with self._lock:
            changed = replace(job, state=state, pid=job.pid if pid is None else pid)
            self._jobs = [changed if other.id == job.id else other for other in self._jobs]
            for old in [other for other in self._jobs if not other.open][:-_KEPT]:
                self._jobs.remove(old)
                self._log(old).unlink(missing_ok=True)
            self._save()

    def _save(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_text(self._file, json.dumps([asdict(job) for job in self._jobs]))

    def _read(self) -> list[Job]:
        try:
            rows = json.loads(self._file.read_text("utf-8"))
        except (OSError, ValueError):  # none yet
            return []
        return [Job(**{**row, "arguments": tuple(row["arguments"])}) for row in rows]


#: In place of the exit code of a process that was another's child.
_UNKNOWN = 1000


def _is_ours(pid: int) -> bool:
    """Whether a process is a storymem command; its number may have gone to another program since."""
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError, OverflowError):
        return False
    try:
        return b"storymem" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:  # a system without /proc
        return True
