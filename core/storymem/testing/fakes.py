"""Small real implementations that are quick and do as they are told: a backbone, an encoder, a store.

They exist to drive the engine and other plugins in tests; none of them pretends to be good.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from storymem.errors import SettingsError, ShotError
from storymem.interfaces import (
    Backbone,
    Capabilities,
    ImageTextEncoder,
    Keyframe,
    MemoryStore,
    Mode,
    NoSettings,
    PluginSettings,
    Progress,
    ShotRequest,
)
from storymem.values.clip import Clip, Frames, pixel_hash
from storymem.values.sound import CHANNELS, RATE, Sound, samples_of

_DIMENSION = 16


class FakeBackboneSettings(PluginSettings):
    """How a :class:`FakeBackbone` behaves. Each tuple holds texts; a prompt that contains one triggers it.

    Attributes:
        steps: Calls of ``progress`` per clip.
        seconds: Pause before each step.
        fail: Prompts that end with a :class:`ShotError`.
        crash: Prompts that end with an unexpected ``RuntimeError``.
        hang: Prompts that stop answering, without a step, for ``hang_seconds``.
        hang_seconds: See ``hang``.
        wrong_count: Prompts that give one frame too few.
        wrong_size: Prompts that give frames of twice the width.
        sound: Whether clips have sound: a tone for each of the two sides, of a pitch that depends on the request.
    """

    steps: Annotated[int, Field(ge=1)] = 2
    seconds: Annotated[float, Field(ge=0)] = 0.0
    fail: tuple[str, ...] = ()
    crash: tuple[str, ...] = ()
    hang: tuple[str, ...] = ()
    hang_seconds: Annotated[float, Field(ge=0)] = 30.0
    wrong_count: tuple[str, ...] = ()
    wrong_size: tuple[str, ...] = ()
    sound: bool = False


class FakeBackbone(Backbone[FakeBackboneSettings]):
    """Textured clips from a hash of the request: any change of prompt, seed, memory or hand-over changes them.

    Attributes:
        requests: Every request made so far in this process, in the order of arrival.
    """

    def __init__(self, settings: FakeBackboneSettings | None = None) -> None:
        super().__init__(settings)
        self.requests: list[ShotRequest] = []
        self._lock = threading.Lock()

    def capabilities(self) -> Capabilities:
        """Return all modes, 64x48 pixels and 9 frames by default."""
        return Capabilities(
            modes=frozenset(Mode),
            size=(64, 48),
            size_multiple=16,
            frames=9,
            frame_step=4,
            fps=8,
            max_memory=16,
            concurrent=True,
            sound=self.settings.sound,
        )

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make the clip, or fail as the settings say."""
        with self._lock:
            self.requests.append(request)
        self._misbehave(request.prompt)
        for step in range(self.settings.steps):
            time.sleep(self.settings.seconds)
            progress(step + 1, self.settings.steps)
        count = request.frames - self._told(self.settings.wrong_count, request.prompt)
        width = request.width * (1 + self._told(self.settings.wrong_size, request.prompt))
        frames = _texture(_request_seed(request), count, request.height, width)
        if request.handover_frames is not None and width == request.width:
            frames[: len(request.handover_frames)] = request.handover_frames[:count]
        fps = self.capabilities().fps
        return Clip(frames, fps, _tones(_request_seed(request), count, fps) if self.settings.sound else None)

    def _misbehave(self, prompt: str) -> None:
        if self._told(self.settings.fail, prompt):
            raise ShotError(f"fake backbone: was told to fail for {prompt[:40]!r}")
        if self._told(self.settings.crash, prompt):
            raise RuntimeError("fake backbone: was told to crash")
        if self._told(self.settings.hang, prompt):
            time.sleep(self.settings.hang_seconds)

    @staticmethod
    def _told(texts: Sequence[str], prompt: str) -> bool:
        return any(text in prompt for text in texts)


def _request_seed(request: ShotRequest) -> int:
    parts = [request.prompt, str(request.negative_prompt), str(request.seed), repr(sorted(request.options.items()))]
    parts += [repr(request.subjects), *(keyframe.id for keyframe in request.memory)]
    parts += [] if request.handover_frames is None else [pixel_hash(request.handover_frames)]
    return int.from_bytes(hashlib.sha256("\0".join(parts).encode()).digest()[:8], "big")


def _texture(seed: int, count: int, height: int, width: int) -> Frames:
    """Return mid-grey noise with a wandering bright square: passes exposure and sharpness filters."""
    random = np.random.default_rng(seed)
    base = random.integers(40, 200, size=(height, width, 3), dtype=np.uint8)
    frames = np.repeat(base[None], max(count, 1), axis=0)
    side = max(1, min(height, width) // 4)
    for index in range(len(frames)):
        top, left = random.integers(0, height - side + 1), random.integers(0, width - side + 1)
        frames[index, top : top + side, left : left + side] = random.integers(200, 256, size=3)
    return frames


def _tones(seed: int, frames: int, fps: int) -> Sound:
    """Return a tone for each side, 200 to 1000 Hz, of half the greatest strength."""
    pitch = np.random.default_rng(seed).integers(200, 1000, size=(CHANNELS, 1))
    waves = np.sin(2 * np.pi * pitch * np.arange(samples_of(frames, fps)) / RATE) / 2
    return Sound(waves.astype(np.float32), RATE)


class FakeEncoder(ImageTextEncoder):
    """Colours as embeddings: a picture's mean colour over a 2x2 grid, a text's hash. Unit vectors of length 16."""

    @property
    def dimension(self) -> int:
        """16."""
        return _DIMENSION

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """Embed each picture by the mean and spread of its quarters."""
        return np.stack([_unit(_quarters(frame)) for frame in frames]) if len(frames) else _none()

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Embed each text by its hash."""
        return np.stack([hash_vector(text) for text in texts]) if texts else _none()


def hash_vector(text: str) -> NDArray[np.float32]:
    """Return a unit vector of length 16 that depends on ``text`` alone."""
    digest = hashlib.shake_256(text.encode()).digest(_DIMENSION)
    return _unit(np.frombuffer(digest, dtype=np.uint8).astype(np.float32) - 127.5)


def _none() -> NDArray[np.float32]:
    return np.zeros((0, _DIMENSION), dtype=np.float32)


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector), dtype=np.float32)


def _quarters(frame: Frames) -> NDArray[np.float32]:
    height, width = max(1, frame.shape[0] // 2), max(1, frame.shape[1] // 2)
    values = []
    for top in (0, frame.shape[0] - height):
        for left in (0, frame.shape[1] - width):
            part = frame[top : top + height, left : left + width].astype(np.float32)
            values += [*part.mean(axis=(0, 1)), float(part.std())]
    return np.asarray(values, dtype=np.float32) - 100.25


class DictStore(MemoryStore):
    """A store in this process's memory; nothing is written to the folder."""

    def __init__(self, settings: NoSettings | None = None) -> None:
        super().__init__(settings)
        self._owners: dict[str, tuple[Keyframe, ...]] = {}
        self._vectors: dict[str, dict[str, NDArray[np.float32]]] = {}

    def open(self, folder: Path, write: bool = True) -> None:
        """Do nothing: what is in memory stays as it is."""

    def add(self, owner: str, keyframes: Sequence[Keyframe]) -> None:
        """Keep ``keyframes`` for ``owner``."""
        self._owners[owner] = tuple(keyframes)

    def of(self, owner: str) -> tuple[Keyframe, ...]:
        """Return the owner's keyframes."""
        return self._owners.get(owner, ())

    def owners(self) -> frozenset[str]:
        """Return all owners."""
        return frozenset(self._owners)

    def forget(self, owners: Collection[str]) -> None:
        """Remove owners and orphaned embeddings."""
        gone = {keyframe.id for owner in owners for keyframe in self._owners.pop(owner, ())}
        gone -= {keyframe.id for kept in self._owners.values() for keyframe in kept}
        for vectors in self._vectors.values():
            for lost in gone & set(vectors):
                del vectors[lost]

    def put_embeddings(self, encoder: str, vectors: Mapping[str, NDArray[np.float32]]) -> None:
        """Keep embeddings."""
        known = self._vectors.setdefault(encoder, {})
        sizes = {vector.shape for vector in (*known.values(), *vectors.values())}
        if len(sizes) > 1:
            raise SettingsError(f"store: embeddings of one encoder differ in length: {sorted(sizes)}")
        known.update(vectors)

    def embeddings(self, encoder: str, ids: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """Return the stored ones among ``ids``."""
        known = self._vectors.get(encoder, {})
        return {name: known[name] for name in ids if name in known}

    def nearest(
        self, encoder: str, vector: NDArray[np.float32], count: int, within: Collection[str] | None = None
    ) -> list[tuple[str, float]]:
        """Compare with every stored embedding."""
        known = self._vectors.get(encoder, {})
        scored = [(n, float(v @ vector)) for n, v in known.items() if within is None or n in within]
        return sorted(scored, key=lambda pair: (-pair[1], pair[0]))[:count]
