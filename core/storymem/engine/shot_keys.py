"""The keys of one shot: what the take, the files derived from it and the selection each depend on."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from storymem.engine.plan import ShotSpec
from storymem.engine.plugins import WorkerPlugins
from storymem.interfaces import Keyframe, MemoryPolicy, MemoryView
from storymem.keys import digest
from storymem.memory.visible import PackedIds
from storymem.settings import RunSettings
from storymem.store.records import Take
from storymem.values.request import Handover, ShotRequest


def view_key(clip: str, first: int, crf: int) -> str:
    """Return the key of the viewing copy of a clip without its first frames, at a quality."""
    return digest("view", {"clip": clip, "first": first, "crf": crf})


@dataclass(frozen=True, slots=True)
class ShotKeys:
    """Makes the keys of a run's shots.

    Attributes:
        backbone: Its fingerprint.
        accept: The accept gate's, if there is one.
        selection: Fingerprints of everything that chooses keyframes.
        master: How takes are kept.
        crf: Quality of viewing copies.
    """

    backbone: str
    accept: list[Any] | None
    selection: tuple[str, ...]
    master: str
    crf: int

    @classmethod
    def of(cls, settings: RunSettings, plugins: WorkerPlugins, policy: MemoryPolicy[Any]) -> ShotKeys:
        """Return the keys of a run with these plugins."""
        chosen = [plugins.selector.fingerprint(), policy.fingerprint()]
        chosen += [f"{name}={f.fingerprint()}" for name, f in plugins.filters.items()]
        if plugins.encoder is not None:
            chosen.append(plugins.encoder.fingerprint())
        accept = plugins.accept.fingerprint() if plugins.accept else None
        return cls(plugins.backbone.fingerprint(), accept, tuple(chosen), settings.master, settings.crf)

    def take(self, request: ShotRequest, recalled: Sequence[Keyframe], handover: Handover | None) -> str:
        """Return the key of what the backbone makes."""
        anchors = [[anchor.frame, anchor.source] for anchor in request.anchors]
        return digest(
            "take",
            {
                "backbone": self.backbone,
                "master": self.master,
                "accept": self.accept,
                "handover": [handover.clip, handover.count] if handover else None,
                "recalled": [k.id for k in recalled],
                **request.readable(),
                # A shot without anchors keeps the key it had before there were any.
                **({"anchors": anchors} if anchors else {}),
            },
        )

    def view(self, spec: ShotSpec, clip: str) -> str:
        """Return the key of the viewing copy of a clip."""
        return view_key(clip, spec.transition.drop, self.crf)

    def tail(self, spec: ShotSpec, clip: str) -> str:
        """Return the key of the frames that a clip hands over."""
        return digest("tail", {"clip": clip, "count": spec.tail})

    def selection_of(self, spec: ShotSpec, take: Take, memory: MemoryView) -> str:
        """Return the key of what is chosen from a take that sees ``memory``."""
        if not take.request["accepted"]:  # the same clip may be accepted under another gate, and then remembered
            return digest("selection", {"refused": take.key, "shot": spec.shot.id})
        return digest(
            "selection",
            {
                "clip": take.clip,
                "shot": spec.shot.id,
                "first": spec.transition.drop,
                "entities": list(spec.shot.entities),
                "plugins": self.selection,
                "visible": hashlib.sha256(_joined(memory.ids).encode()).hexdigest(),
            },
        )


def _joined(ids: Sequence[str]) -> str:
    return ids.joined() if isinstance(ids, PackedIds) else "".join(ids)
