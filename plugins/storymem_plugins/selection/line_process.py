"""A program that answers JSON lines: started when needed, given a time limit, restarted when it fails.

Knows nothing about what is asked.
"""

from __future__ import annotations

import json
import queue
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import IO, Any


class ProcessFailed(Exception):
    """The program could not be started, ended, answered nonsense or not in time. One line."""


class LineProcess:
    """One running program, which first writes ``{"ready": true}`` and then one line for each line it reads.

    Args:
        command: Program and arguments.
        start_timeout: Seconds until it must be ready.
        timeout: Seconds for each answer.

    Raises:
        ProcessFailed: It cannot be started or is not ready in time.
    """

    def __init__(self, command: Sequence[str], start_timeout: float, timeout: float) -> None:
        self._timeout = timeout
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
        try:
            self._process = subprocess.Popen(
                list(command), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._errors, encoding="utf-8"
            )
        except OSError as error:
            self._errors.close()
            raise ProcessFailed(f"{command[0]} cannot be started: {error.strerror}") from error
        self._lines: queue.Queue[str | None] = queue.Queue()
        self._reader = threading.Thread(
            target=self._read, args=(self._process.stdout,), name="storymem-line-process", daemon=True
        )
        self._reader.start()
        try:
            self._await_ready(start_timeout)
        except ProcessFailed:
            self.close()
            raise

    def ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send one line and return the answer.

        Raises:
            ProcessFailed: It ended, answered something that is no JSON object, or took too long.
        """
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it ended: the missing answer says so, with its last words
            self._process.stdin.write(json.dumps(request) + "\n")
            self._process.stdin.flush()
        return self._answer(self._timeout)

    def close(self) -> None:
        """End the program, by force if it does not end by itself."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.close()
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join()
        self._process.stdout.close()
        self._errors.close()

    def _await_ready(self, timeout: float) -> None:
        first = self._answer(timeout)
        if first.get("ready") is not True:
            raise ProcessFailed(f'it wrote {json.dumps(first)[:80]} where {{"ready": true}} was due')

    def _read(self, stream: IO[str]) -> None:
        with suppress(UnicodeDecodeError):  # nonsense counts as an end
            for line in stream:
                self._lines.put(line)
        self._lines.put(None)

    def _answer(self, timeout: float) -> Mapping[str, Any]:
        try:
            line = self._lines.get(timeout=timeout)
        except queue.Empty:
            raise ProcessFailed(f"no answer within {timeout:g} s{self._last_words()}") from None
        if line is None:
            raise ProcessFailed(f"it ended{self._last_words()}")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise ProcessFailed(f"it wrote {line.strip()[:80]!r} where a JSON object was due")
        return answer

    def _last_words(self) -> str:
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        return f"; its last words: {lines[-1].strip()[:200]}" if lines else ""
