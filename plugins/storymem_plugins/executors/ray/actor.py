"""What runs on a node: one worker, told what to do by the engine's machine, and asked by it how far it is.

Writes into folders of its own alone. A worker that is cut off from the engine and continues can touch no finished file.
"""

from __future__ import annotations

import os
import pickle
import platform
import shutil
import tempfile
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from uuid import uuid4

import ray

from storymem.errors import Cancelled, MissingInput
from storymem.interfaces import ShotWorker, WorkerRecipe
from storymem.store.objects import file_digest
from storymem.values.files import FileRef
from storymem.values.work import ShotOutcome, ShotTask
from storymem_plugins.executors.recipes import portable

#: A file on its way: its bytes, in Ray's object store. In a list, since Ray would fetch a bare one unasked.
Shipped = list["ray.ObjectRef[bytes]"]
#: Outcome and the bytes of its files by digest, or what went wrong.
Answer = tuple[ShotOutcome, dict[str, bytes]] | BaseException


class ShotActor:
    """One worker on a node.

    Args:
        threads: The engine's OMP_NUM_THREADS; None if it has none. Ray sets 1.
        cache: Name of the node's folder for files that tasks share.
    """

    def __init__(self, threads: str | None, cache: str) -> None:
        os.environ.pop("OMP_NUM_THREADS", None)  # read by torch when it loads, which comes later
        if threads is not None:
            os.environ["OMP_NUM_THREADS"] = threads
        node = ray.get_runtime_context().get_node_id()
        self._cache = Path(tempfile.gettempdir()) / f"{cache}-{node[:12]}"
        self._worker: ShotWorker | None = None
        self._changed = threading.Condition()
        self._number = -1
        self._steps: list[tuple[int, int]] = []
        self._over = False
        self._stopped: set[int] = set()

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
    def where(self) -> tuple[str, int, str]:
        """Return host, process and the GPUs that Ray gave."""
        gpus = ray.get_gpu_ids()
        return platform.node(), os.getpid(), ",".join(map(str, gpus))

    def build(self, pickled: bytes, files: Sequence[tuple[str, bytes]], load: bool) -> BaseException | None:
        """Build the worker; return the error if it cannot be built here."""
        try:
            self.close_worker()
            places = [self._plugin(name, content) for name, content in files]
            if places:
                # The recipe may hold objects of classes in these files: they are importable once they are loaded.
                from storymem.plugin import PluginHost

                PluginHost(places)
            recipe: WorkerRecipe = pickle.loads(pickled)
            self._worker = (recipe.moved(places) if places else recipe)()
            if load:
                self._worker.load()
        except Exception as error:  # travels to the engine, which decides
            return portable(error)
        return None

    def sees(self, path: Path, digest: str) -> bool:
        """Whether this node sees a file of the engine's machine, with its content."""
        return path.is_file() and file_digest(path) == digest

    def run(self, number: int, task: ShotTask, inputs: Mapping[str, Shipped] | None) -> Answer:
        """Do a task.

        Args:
            number: Of the attempt, unique.
            task: The task; its folder is the worker's own in a shared file system.
            inputs: Its files by digest; None in a shared file system.
        """
        with self._changed:
            self._number, self._steps, self._over = number, [], False
        try:
            return self._run(task, inputs)
        except Exception as error:  # travels to the engine, which decides
            return portable(error)
        finally:
            with self._changed:
                self._over = True
                self._changed.notify_all()

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
    def follow(self, number: int, seen: int, seconds: float) -> tuple[list[tuple[int, int]], bool]:
        """Wait for steps after the first ``seen``; return them, and whether the task is over."""
        with self._changed:
            self._changed.wait_for(lambda: self._number == number and (self._over or len(self._steps) > seen), seconds)
            if self._number != number:
                return [], False
            return self._steps[seen:], self._over

    @ray.method(concurrency_group="control")  # type: ignore[untyped-decorator]
    def stop(self, number: int) -> None:
        """End an attempt at its next step."""
        with self._changed:
            self._stopped.add(number)

    def close_worker(self) -> None:
        """Release the worker's weights."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def finish(self) -> None:
        """Release everything, the node's files included."""
        self.close_worker()
        shutil.rmtree(self._cache, ignore_errors=True)  # another worker of this node may be doing the same

    def _run(self, task: ShotTask, inputs: Mapping[str, Shipped] | None) -> Answer:
        assert self._worker is not None
        if inputs is None:
            task.folder.mkdir(exist_ok=True)
            return self._worker.run(task, self._step), {}
        self._cache.mkdir(exist_ok=True, mode=0o700)
        with tempfile.TemporaryDirectory(dir=self._cache, prefix="shot-") as folder:
            moved = task.moved(lambda file: self._fetched(file, inputs), Path(folder))
            outcome = self._worker.run(moved, self._step)
            return outcome, {file.digest: file.path.read_bytes() for file in outcome.files()}

    def _step(self, step: int, total: int) -> None:
        with self._changed:
            if self._number in self._stopped:
                raise Cancelled("cancelled; finished shots are kept, render again to resume")
            self._steps.append((step, total))
            self._changed.notify_all()

    def _fetched(self, file: FileRef, inputs: Mapping[str, Shipped]) -> FileRef:
        """Return where a file is on this node, fetching it if no task before has."""
        place = self._cache / f"{file.digest}{file.path.suffix}"
        if not place.is_file():
            if file.digest not in inputs:
                raise MissingInput(f"{file.path}: was not sent to {platform.node()}")
            self._write(place, ray.get(inputs[file.digest][0]))
        return FileRef(place, file.digest)

    def _plugin(self, name: str, content: bytes) -> Path:
        folder = self._cache / "plugins"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._write(folder / name, content)
        return folder / name

    @staticmethod
    def _write(place: Path, content: bytes) -> None:
        """Write a file whole or not at all: other workers of this node look at the same name."""
        part = place.with_name(f"{place.name}.{uuid4().hex}")
        part.write_bytes(content)
        part.replace(place)
