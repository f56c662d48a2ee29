"""Registers the built-in executors."""

from __future__ import annotations

from storymem.plugin import Register, hookimpl
from storymem_plugins.executors.process import ProcessExecutor
from storymem_plugins.executors.ray.settings import RaySettings
from storymem_plugins.executors.serial import SerialExecutor
from storymem_plugins.executors.thread import ThreadExecutor


@hookimpl
def storymem_executors(register: Register) -> None:
    """Register serial, thread, process and ray."""
    register("serial", SerialExecutor)
    register("thread", ThreadExecutor, default_for=("executor",))
    register("process", ProcessExecutor)
    register(
        "ray",
        "storymem_plugins.executors.ray.executor:RayExecutor",
        settings=RaySettings,
        requires=["ray"],
        install="storymem[ray]",
        summary="Shots on a Ray cluster: one actor a worker, files shipped by content.",
    )
