"""Settings of the Ray executor. Plain data: importing this module does not import ray."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from storymem.interfaces.plugin import PluginSettings


class RaySettings(PluginSettings):
    """Settings of the Ray executor. GPUs come from the backbone, and from ``gpus_per_shot``.

    Attributes:
        address: Of a running cluster, ``host:port`` or ``auto``; None starts one on this machine.
        cpus: CPU cores that a worker reserves.
        resources: Ray's custom resources that a worker reserves, by name.
        files: ``ship`` sends files through Ray, and workers never see the run folder; ``shared`` lets them use it, on
            a file system that all nodes have at the same path.
        silence: Seconds without a sign of life after which a worker counts as lost.
        attempts: How many workers may have a shot before it fails because they were all lost.
        autoscaling: Whether nodes are started on demand; what no node has yet is then waited for, not refused.
    """

    address: str | None = None
    cpus: Annotated[float, Field(ge=0)] = 1
    resources: dict[str, float] = Field(default_factory=dict)
    files: Literal["ship", "shared"] = "ship"
    silence: Annotated[float, Field(gt=0)] = 5.0
    attempts: Annotated[int, Field(ge=1, le=20)] = 3
    autoscaling: bool = False
