"""The connection to a Ray cluster: made once, without Ray's changes to this process, and ended once."""

from __future__ import annotations

import logging
import os
import signal
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import ray
import ray._private.worker as ray_worker

from storymem.errors import PluginError, SettingsError
from storymem_plugins.executors.ray.settings import RaySettings

_log = logging.getLogger(__name__)
#: A cluster of this process notices a dead node after 3 to 5 s instead of Ray's 30 or more.
_HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 2000, "health_check_failure_threshold": 3}

#: Beginnings of the variables that Ray adds to this process's environment.
_CHANGED = ("RAY_", "OMP_", "PYTHONBREAKPOINT")


class Connection:
    """Joins a cluster or starts one; ``close`` leaves it.

    Args:
        settings: Which cluster.
        workers: How many workers it is for.
        gpus: GPUs that each takes.

    Raises:
        PluginError: The cluster does not answer.
        SettingsError: No node has what a worker needs.
    """

    def __init__(self, settings: RaySettings, workers: int, gpus: int) -> None:
        self._ours = not ray.is_initialized()  # a program that uses Ray itself keeps its connection
        self._environment = dict(os.environ)
        self._print = ray_worker.print_to_stdstream
        # Ray prints what it has to say of nodes on stdout, which belongs to --json.
        ray_worker.print_to_stdstream = _to_log
        try:
            if self._ours:
                with _own_signals():
                    _connect(settings, workers)
            need = {"CPU": settings.cpus, "GPU": float(gpus), **settings.resources}
            if not settings.autoscaling:
                _check_resources(need)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Leave the cluster, ending it if it was started here, and undo what Ray changed in this process."""
        if self._ours and ray.is_initialized():
            with _own_signals():
                ray.shutdown()
        ray_worker.print_to_stdstream = self._print
        for name in os.environ.keys() - self._environment.keys():
            if name.startswith(_CHANGED):
                del os.environ[name]


def _connect(settings: RaySettings, workers: int) -> None:
    common: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR, "include_dashboard": False}
    if settings.address is None:
        cores = max(os.cpu_count() or 1, round(workers * settings.cpus + 0.5))
        # Made for this process alone: what an enclosing job says of its cluster does not concern it.
        ray.init("local", num_cpus=cores, resources=settings.resources, _system_config=_HEALTH, **common)
        return
    del common["include_dashboard"]
    try:
        ray.init(settings.address, **common)
    except (ConnectionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise PluginError(f"executor ray: no cluster answers at {settings.address} ({reason})") from error


@contextmanager
def _own_signals() -> Iterator[None]:
    """Keep this process's SIGTERM handler, which Ray replaces."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check_resources(need: Mapping[str, float]) -> None:
    """Raise unless some node has what one worker needs: Ray itself would wait for such a node for ever."""
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    if any(all(node.get(name, 0) >= amount for name, amount in need.items()) for node in nodes):
        return
    wanted = ", ".join(f"{amount:g} {name}" for name, amount in need.items() if amount)
    there = "; ".join(sorted({", ".join(_shown(node)) for node in nodes}))
    raise SettingsError(
        f"executor ray: a worker needs {wanted}, and no node has it (nodes have {there}); start one that does, change "
        "executor.resources, or set executor.autoscaling if nodes are started on demand"
    )


def _shown(node: Mapping[str, float]) -> list[str]:
    # The others are names of nodes and bytes of memory.
    return [f"{amount:g} {name}" for name, amount in sorted(node.items()) if ":" not in name and "memory" not in name]


def _to_log(data: Mapping[str, Any], ignore_prefix: bool = False) -> None:
    for line in data.get("lines", ()):
        _log.info("%s", line)
