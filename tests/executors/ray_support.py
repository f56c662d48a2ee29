"""A Ray cluster on this machine, by Ray's own test utility, and its nodes as a test treats them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ray.cluster_utils import Cluster

#: A dead node is noticed after about 3 s instead of 30 or more.
_HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 2}
#: Little shared memory: several raylets run beside each other on a small machine.
_STORE = 80 * 1024 * 1024


class TestCluster:
    """A head that runs no shots, and two nodes that run two each."""

    __test__ = False

    def __init__(self) -> None:
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": _STORE, "_system_config": _HEALTH},
        )
        for _ in range(2):
            self._cluster.add_node(num_cpus=2, object_store_memory=_STORE)
        self._cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        """Where drivers connect."""
        return str(self._cluster.address)

    def kill(self, raylet: int, worker: int) -> None:
        """Kill a node's raylet and a worker on it, as a power cut does."""
        for pid in (raylet, worker):
            os.kill(pid, signal.SIGKILL)

    def close(self) -> None:
        """End everything."""
        self._cluster.shutdown()


@contextmanager
def two_nodes() -> Iterator[TestCluster]:
    """Yield a cluster; the environment is as before afterwards."""
    before = dict(os.environ)
    cluster = TestCluster()
    try:
        yield cluster
    finally:
        cluster.close()
        for name in os.environ.keys() - before.keys():
            del os.environ[name]
        os.environ.update(before)


def parent(pid: int) -> int:
    """Return the process that started another one; of a worker, that is its node's raylet."""
    return int(Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[1])
