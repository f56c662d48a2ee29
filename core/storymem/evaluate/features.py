"""The models of an evaluation: each loaded once, when first needed, and never asked the same thing twice."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from storymem.errors import PluginError, SettingsError, StoryMemError
from storymem.evaluate.cache import FeatureCache, feature_key
from storymem.interfaces import (
    Box,
    Detector,
    EmbeddingScorer,
    Encoder,
    FaceEncoder,
    ImageEncoder,
    ImageScorer,
    ImageTextEncoder,
    ImageTextScorer,
    MotionEstimator,
    Need,
    VideoTextEncoder,
)
from storymem.plugin import Kind, PluginHost
from storymem.values.clip import Frames, pixel_hash

EncoderT = TypeVar("EncoderT", bound=Encoder[Any])
#: Left, top, right, bottom and confidence of a box as a row.
_BOX = 5


@dataclass(frozen=True, slots=True)
class Model:
    """A model of an evaluation, for the report.

    Attributes:
        role: What the suite calls it.
        plugin: Its plugin.
        weights: SHA-256 by file name; empty if it could not be loaded.
        missing: Why it is not there; empty if it is.
    """

    role: str
    plugin: str
    weights: Mapping[str, str]
    missing: str = ""


class Features:
    """See :class:`storymem.interfaces.FeatureSource`.

    Args:
        host: Builds the models.
        needs: Models by role.
        cache: Where features are kept.
        weights: Folder that holds the files the needs name; None if there is none.
    """

    def __init__(
        self, host: PluginHost, needs: Mapping[str, Need], cache: FeatureCache, weights: Path | None = None
    ) -> None:
        self._host, self._cache, self._weights = host, cache, weights
        self.needs = dict(needs)
        self._built: dict[str, Encoder[Any]] = {}
        self._missing: dict[str, str] = {}
        self._fingerprints: dict[str, str] = {}
        #: How many pictures, clips and texts the models were asked about, by role; what the cache knew is not counted.
        self.computed: dict[str, int] = {}

    def images(self, role: str, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`FeatureSource.images`."""
        encoder = self._get(role, ImageEncoder)
        return self._rows(role, "image", [pixel_hash(f) for f in frames], lambda i: encoder.encode_images(frames[i]))

    def texts(self, role: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """See :meth:`FeatureSource.texts`."""
        encoder = self._get(role, Encoder)
        if not isinstance(encoder, ImageTextEncoder | VideoTextEncoder):
            raise PluginError(f"{role}: {type(encoder).__name__} reads no texts")
        return self._rows(role, "text", list(texts), lambda i: encoder.encode_texts([texts[j] for j in i]))

    def clip(self, role: str, frames: Frames) -> NDArray[np.float32]:
        """See :meth:`FeatureSource.clip`."""
        encoder = self._get(role, VideoTextEncoder)
        rows = self._rows(role, "clip", [pixel_hash(frames)], lambda _: encoder.encode_clip(frames)[None])
        return np.asarray(rows[0])

    def scores(self, role: str, frames: Frames) -> NDArray[np.float64]:
        """See :meth:`FeatureSource.scores`."""
        scorer = self._get(role, ImageScorer)
        return self._rows(role, "score", [pixel_hash(f) for f in frames], lambda i: scorer.score_images(frames[i]))

    def motion(self, role: str, first: Frames, second: Frames) -> float:
        """See :meth:`FeatureSource.motion`."""
        estimator = self._get(role, MotionEstimator)
        key = self._key(role, "motion", pixel_hash(first) + pixel_hash(second))
        return float(self._one(role, key, lambda: np.asarray([estimator.motion(first, second)]))[0])

    def embedding_scores(self, role: str, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """See :meth:`FeatureSource.embedding_scores`; too cheap to be cached."""
        return _finite(role, self._get(role, EmbeddingScorer).score_embeddings(rows))

    def boxes(self, role: str, frame: Frames, phrase: str, threshold: float) -> list[Box]:
        """See :meth:`FeatureSource.boxes`."""
        detector = self._get(role, Detector)
        key = self._key(role, f"boxes {threshold!r} {phrase}", pixel_hash(frame))

        def detect() -> NDArray[np.float64]:
            found = detector.detect(frame, phrase, threshold)
            rows = [[b.left, b.top, b.right, b.bottom, b.confidence] for b in found]
            return np.asarray(rows, dtype=np.float64).reshape(-1, _BOX)

        return [Box(*map(float, row)) for row in self._one(role, key, detect)]

    def faces(self, role: str, frame: Frames) -> list[tuple[Box, NDArray[np.float32]]]:
        """See :meth:`FeatureSource.faces`."""
        encoder = self._get(role, FaceEncoder)

        def find() -> NDArray[np.float64]:
            found = encoder.faces(frame)
            rows = [[b.left, b.top, b.right, b.bottom, b.confidence, *vector] for b, vector in found]
            return np.asarray(rows, dtype=np.float64).reshape(len(found), -1)

        rows = self._one(role, self._key(role, "faces", pixel_hash(frame)), find)
        return [(Box(*map(float, row[:_BOX])), row[_BOX:].astype(np.float32)) for row in rows]

    def agreement(self, role: str, frame: Frames, text: str) -> float:
        """See :meth:`FeatureSource.agreement`."""
        scorer = self._get(role, ImageTextScorer)
        key = self._key(role, f"agreement {text}", pixel_hash(frame))
        return float(self._one(role, key, lambda: np.asarray([scorer.agreement(frame, text)]))[0])

    def clip_frames(self, role: str) -> int:
        """See :meth:`FeatureSource.clip_frames`."""
        return self._get(role, VideoTextEncoder).clip_frames

    def has(self, role: str) -> bool:
        """See :meth:`FeatureSource.has`."""
        return not self.missing(role)

    def missing(self, role: str) -> str:
        """Return why a model is not there, in one line that says what to get; empty if it is there."""
        try:
            self._get(role, Encoder)
        except StoryMemError as error:
            return str(error)
        return ""

    def models(self) -> list[Model]:
        """Return all models for the report; those that were not built yet are built."""
        return [self._model(role) for role in self.needs]

    def close(self) -> None:
        """Close the models that were built."""
        for encoder in self._built.values():
            encoder.close()
        self._built.clear()

    def _model(self, role: str) -> Model:
        reason = self.missing(role)
        weights = {} if reason else dict(self._built[role].weights())
        return Model(role, self.needs[role].plugin, weights, reason)

    def _get(self, role: str, kind: type[EncoderT]) -> EncoderT:
        if role in self._missing:
            raise SettingsError(self._missing[role])
        if role not in self._built:
            try:
                self._build(role)
            except StoryMemError as error:
                self._missing[role] = str(error)
                raise
        encoder = self._built[role]
        if not isinstance(encoder, kind):
            raise PluginError(f"{role}: {type(encoder).__name__} is not a {kind.__name__}")
        return encoder

    def _build(self, role: str) -> None:
        need = self.needs[role]
        plugin = self._host.build(Kind.ENCODER, need.plugin, self._settings(role, need))
        assert isinstance(plugin, Encoder)  # the registry checked it
        self._fingerprints[role] = plugin.fingerprint()  # reads the weight files, and raises if they are not there
        self._built[role] = plugin

    def _settings(self, role: str, need: Need) -> dict[str, Any]:
        settings = dict(need.settings)
        for key, name in need.files.items():
            if self._weights is None:
                raise SettingsError(f"{role}: no {name}; {_get_it(need)} and name its folder with --weights")
            path = self._weights / name
            if not path.exists():
                raise SettingsError(f"{role}: {path} does not exist; {_get_it(need)}")
            settings[key] = str(path)
        return settings

    def _key(self, role: str, question: str, content: str) -> bytes:
        return feature_key(self._fingerprints[role], question, content)

    def _rows(
        self, role: str, question: str, contents: Sequence[str], compute: Callable[[list[int]], NDArray[Any]]
    ) -> NDArray[Any]:
        """Return one row for each content; ``compute`` is asked for those the cache does not know, all at once."""
        keys = [self._key(role, question, content) for content in contents]
        known = {key: found for key in keys if (found := self._cache.get(key)) is not None}
        wanted = [i for i, key in enumerate(keys) if key not in known and keys.index(key) == i]
        if wanted:
            for i, row in zip(wanted, _finite(role, compute(wanted)), strict=True):
                known[keys[i]] = row
                self._cache.put(keys[i], row)
            self.computed[role] = self.computed.get(role, 0) + len(wanted)
        return np.stack([known[key] for key in keys])

    def _one(self, role: str, key: bytes, compute: Callable[[], NDArray[Any]]) -> NDArray[Any]:
        found = self._cache.get(key)
        if found is None:
            found = _finite(role, compute())
            self._cache.put(key, found)
            self.computed[role] = self.computed.get(role, 0) + 1
        return found


def _finite(role: str, values: NDArray[Any]) -> NDArray[Any]:
    if not np.isfinite(values).all():
        raise PluginError(f"{role}: the model gave NaN or infinite values; its weights are damaged or of another size")
    return values


def _get_it(need: Need) -> str:
    size = f", {need.size}" if need.size else ""
    return f"get {need.origin or ', '.join(need.files.values())}{size}"


def with_settings(needs: Mapping[str, Need], chosen: Mapping[str, Any]) -> dict[str, Need]:
    """Return the needs with a user's choices for some of their roles.

    A choice is a plugin's name, or a table of settings with or without the key ``name``. Settings of the same plugin
    are merged; a setting that names a file replaces the one in the folder of weights.

    Raises:
        SettingsError: The choice is neither a name nor a table.
    """
    found = dict(needs)
    for role, choice in chosen.items():
        table = {"name": choice} if isinstance(choice, str) else choice
        if not isinstance(table, Mapping):
            raise SettingsError(f"{role}: give the name of an encoder plugin, or its settings as {role}.KEY=VALUE")
        found[role] = _chosen(needs[role], table)
    return found


def _chosen(need: Need, table: Mapping[str, Any]) -> Need:
    settings = {key: value for key, value in table.items() if key != "name"}
    if table.get("name", need.plugin) != need.plugin:
        return replace(need, plugin=str(table["name"]), settings=settings, files={})
    files = {key: name for key, name in need.files.items() if key not in settings}
    return replace(need, settings={**need.settings, **settings}, files=files)
