"""A Ray cluster on this machine, by Ray's own test utility, and its nodes as a test treats them."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ray.cluster_utils import Cluster

#: A dead node is noticed after about 3 s instead of 30 or more.
_HEALTH = {"health_check_period_ms": 1000, "health_check_timeout_ms": 1000, "health_check_failure_threshold": 2}
#: Little shared memory: several raylets run beside each other on a small machine.
_STORE = 80 * 1024 * 1024


class TestCluster:
    """A head that runs no shots, and two nodes that run one each."""

    __test__ = False

    def __init__(self) -> None:
        self._cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "object_store_memory": _STORE, "_system_config": _HEALTH},
        )
        self.nodes = [self.add() for _ in range(2)]
        self._cluster.wait_for_nodes()

    @property
    def address(self) -> str:
        """Where drivers connect."""
        return str(self._cluster.address)

    def add(self) -> Any:
        """Start a node with one core."""
        return self._cluster.add_node(num_cpus=1, object_store_memory=_STORE)

    def remove(self, node: Any) -> None:
        """Kill a node with everything on it, as a power cut does."""
        self.nodes.remove(node)
        self._cluster.remove_node(node, allow_graceful=False)

    def freeze(self, node: Any, pids: list[int]) -> list[int]:
        """Stop a node's raylet and its workers where they are; return the processes, to be continued later."""
        raylet = node.all_processes["raylet"][0].process.pid
        stopped = [raylet, *pids]
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        return stopped

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
