"""What runs in a worker process: it builds its worker, then makes shots until told to stop."""

from __future__ import annotations

import os
import pickle
import signal
from multiprocessing.connection import Connection

from storymem.errors import Cancelled
from storymem.interfaces import ShotWorker, WorkerRecipe
from storymem_plugins.executors.recipes import portable


def serve(pipe: Connection, recipe: bytes) -> None:
    """Make shots until told to stop, or until the engine is gone.

    Receives whether to load the weights, and answers None or the error; then receives tasks. A task is answered with
    (step, total) for each step, each answered with whether to continue, and last with the outcome or the error.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the engine's to handle; it cancels between steps
    try:
        worker = _built(pipe, recipe, load=pipe.recv())
        while worker is not None and (task := pipe.recv()) is not None:
            try:
                pipe.send(worker.run(task, lambda step, total: _step(pipe, step, total)))
            except Exception as error:  # travels to the engine, which decides
                pipe.send(portable(error))
    except (EOFError, OSError):
        os._exit(1)  # the engine was killed: nobody is left to answer
    if worker is not None:
        worker.close()


def _built(pipe: Connection, pickled: bytes, load: bool | None) -> ShotWorker | None:
    if load is None:  # told to stop before the first task
        return None
    try:
        recipe: WorkerRecipe = pickle.loads(pickled)
        worker = recipe()
        if load:
            worker.load()
    except Exception as error:  # travels to the engine, which decides
        pipe.send(portable(error))
        return None
    pipe.send(None)
    return worker


def _step(pipe: Connection, step: int, total: int) -> None:
    pipe.send((step, total))
    if not pipe.recv():
        raise Cancelled("cancelled; finished shots are kept, render again to resume")
