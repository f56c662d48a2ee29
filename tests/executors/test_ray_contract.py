"""The contract of executors, kept by Ray's on a cluster of this machine."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from ray_support import two_nodes

from storymem.interfaces import Executor
from storymem.testing import ExecutorContract
from storymem_plugins.executors.ray.executor import RayExecutor
from storymem_plugins.executors.ray.settings import RaySettings

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with two_nodes() as cluster:
        yield cluster.address


class TestRay(ExecutorContract):
    @pytest.fixture
    def executor(self, address: str) -> Executor[Any]:
        return RayExecutor(RaySettings(address=address, cpus=0.5))
