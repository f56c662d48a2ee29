"""A worker that answers with the GPUs its process was started with, once another one has had time to start."""

from __future__ import annotations

import os
import time

from storymem.interfaces import Progress, WorkerRecipe
from storymem.values.work import ShotOutcome, ShotTask

#: Read as torch would, when it is first imported.
_AT_IMPORT = os.environ.get("CUDA_VISIBLE_DEVICES", "")


class Placed(WorkerRecipe):
    """The worker, and the recipe for itself."""

    key = "placed"

    def __call__(self) -> Placed:
        return self

    def load(self) -> None:
        pass

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        time.sleep(0.3)
        return ShotOutcome(shot=_AT_IMPORT)

    def close(self) -> None:
        pass
