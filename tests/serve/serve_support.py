"""Starts ``storymem serve`` and speaks to it."""

from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import numpy as np
from PIL import Image

from storymem.values.clip import Frames

PROGRAM = str(Path(sys.executable).with_name("storymem"))
SLOW = ["--plugin", str(Path(__file__).with_name("slow_plugin.py")), "--backbone", "slow"]
SMALL = {"size": "64x48", "num_frames": 9}
Json = dict[str, Any]


class Served:
    """One server process."""

    def __init__(self, folder: Path, *options: str, **environment: str) -> None:
        command = [PROGRAM, "serve", "--port", "0", "--folder", str(folder), *options]
        self.folder = folder
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, text=True, cwd=folder, env={**os.environ, **environment}
        )
        assert self.process.stdout is not None
        found = re.search(r"at (http://\S+)/v1", self.process.stdout.readline())
        assert found, "the server did not start"
        self.address = found[1]
        self.http = httpx2.Client(base_url=self.address, timeout=30, trust_env=False)

    def close(self, number: int = signal.SIGTERM) -> None:
        self.http.close()
        self.process.send_signal(number)
        self.process.wait(30)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def create(self, **fields: Any) -> Json:
        answer = self.http.post("/v1/videos", json={"prompt": "Anna walks in a meadow.", **SMALL, **fields})
        assert answer.status_code == 200, answer.text
        return answer.json()  # type: ignore[no-any-return]

    def job(self, job_id: str) -> Json:
        return self.http.get(f"/v1/videos/{job_id}").json()  # type: ignore[no-any-return]

    def wait(self, job_id: str, *states: str) -> Json:
        until = time.monotonic() + 50
        while time.monotonic() < until:
            job = self.job(job_id)
            if job["status"] in (states or ("completed", "failed")):
                return job
            time.sleep(0.02)
        raise AssertionError(f"{job_id} is still {job['status']}")

    def lossless(self, job_id: str, folder: Path) -> Frames:
        from storymem.media.video import read_clip

        answer = self.http.get(f"/v1/videos/{job_id}/content", params={"variant": "lossless"})
        assert answer.headers["content-type"] == "video/x-matroska"
        (folder / "content.mkv").write_bytes(answer.content)
        return read_clip(folder / "content.mkv", 16).frames


def png(colour: tuple[int, int, int], size: tuple[int, int] = (64, 48)) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.full((size[1], size[0], 3), colour, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()
