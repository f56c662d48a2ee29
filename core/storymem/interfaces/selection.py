"""Choosing keyframes of a finished clip: selectors propose, filters refuse.

Neither knows what was remembered of other shots beyond the keyframes visible to this one.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from storymem.errors import SettingsError
from storymem.interfaces.encoder import ImageTextEncoder
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Clip, pixel_hash
from storymem.values.keyframe import Keyframe
from storymem.values.work import Rejection, ShotRef


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a filter says of one frame.

    Attributes:
        keep: Whether the frame may be remembered.
        score: What was measured; higher is better.
        threshold: The score that was needed.
        reason: A few words, for the user, when ``keep`` is false.
        advice: What to add to the shot's prompt so that another attempt may pass, in a few words; used by an accept
            gate with ``accept.revise``.
    """

    keep: bool
    score: float
    threshold: float
    reason: str = ""
    advice: str = ""


class ClipContext:
    """A finished clip and what its selection may look at.

    Attributes:
        clip: The clip.
        first: Index of the first frame that does not repeat the previous shot.
        memory: Keyframes visible to this shot, in story order; read when they are looked at.
        memory_ids: Their ids, which cost nothing to look at.
        prompt: The shot's prompt as the script gives it; empty where a clip is judged without one.

    Args:
        clip: The clip.
        first: See above.
        memory: See above.
        encoder: The run's encoder, if it has one.
        known: Embeddings by keyframe id that were computed before; new ones are added. A worker keeps one such
            table for all its shots, since each sees the keyframes of all earlier ones.
        shot: The shot, as its keyframes will name it.
        memory_ids: See above; read from ``memory`` if not given.
        prompt: See above.
    """

    def __init__(
        self,
        clip: Clip,
        first: int = 0,
        memory: Sequence[Keyframe] = (),
        encoder: ImageTextEncoder | None = None,
        known: dict[str, NDArray[np.float32]] | None = None,
        shot: ShotRef | None = None,
        memory_ids: Sequence[str] | None = None,
        prompt: str = "",
    ) -> None:
        self.clip = clip
        self.prompt = prompt
        self.first = first
        self.memory = memory
        self.memory_ids = tuple(k.id for k in memory) if memory_ids is None else memory_ids
        self._encoder = encoder
        self._known = {} if known is None else known
        self._shot = shot or ShotRef("clip", 0)
        self._ids: dict[int, str] = {}

    def id_of(self, frame: int) -> str:
        """Return the content id of a frame: its pixel hash, computed once."""
        if frame not in self._ids:
            self._ids[frame] = pixel_hash(self.clip.frames[frame])
        return self._ids[frame]

    def keyframe(self, frame: int, scores: Mapping[str, float] | None = None) -> Keyframe:
        """Return a frame of the clip as the keyframe that a selector proposes."""
        shot = self._shot
        return Keyframe(self.id_of(frame), shot.id, shot.position, frame, shot.entities, dict(scores or {}))

    @property
    def encoder(self) -> ImageTextEncoder:
        """The run's encoder; raises :class:`SettingsError` if it has none."""
        if self._encoder is None:
            raise SettingsError("encoder: this selector or filter needs one; see storymem plugins encoder")
        return self._encoder

    @cached_property
    def embeddings(self) -> NDArray[np.float32]:
        """Unit embeddings of all frames, (T, D); computed once, in one pass."""
        return self.encoder.encode_images(self.clip.frames)

    def embedding_of(self, frame: int) -> NDArray[np.float32] | None:
        """Return the embedding (D,) of a frame if :attr:`embeddings` was needed before; computes nothing."""
        computed: NDArray[np.float32] | None = vars(self).get("embeddings")
        return None if computed is None else computed[frame]

    @cached_property
    def memory_embeddings(self) -> NDArray[np.float32]:
        """Unit embeddings of ``memory``, (n, D)."""
        if not self.memory_ids:
            return np.zeros((0, self.encoder.dimension), dtype=np.float32)
        for index, id_ in enumerate(self.memory_ids):
            if id_ not in self._known:
                self._known[id_] = self.encoder.encode_images(self.memory[index].load()[None])[0]
        return np.stack([self._known[id_] for id_ in self.memory_ids])


class FrameFilter(Plugin[SettingsT]):
    """Keeps or rejects frames of a clip, one by one."""

    #: Whether ``judge`` uses the context's embeddings.
    needs_encoder: bool = False

    @abstractmethod
    def judge(self, indices: Sequence[int], context: ClipContext) -> Sequence[Verdict]:
        """Return one verdict per index of ``context.clip``, in order."""


class FrameGate:
    """All filters of a run over one clip: lazy, each frame judged at most once.

    Attributes:
        rejections: What was refused so far, in the order it was asked.
    """

    def __init__(self, filters: Mapping[str, FrameFilter], context: ClipContext) -> None:
        self._filters = filters
        self._context = context
        self._verdicts: dict[int, bool] = {}
        self._scores: dict[int, dict[str, float]] = {}
        self.rejections: list[Rejection] = []

    def passes(self, index: int) -> bool:
        """Whether every filter keeps frame ``index``; stops at the first that does not."""
        if index not in self._verdicts:
            self._verdicts[index] = self._judge(index)
        return self._verdicts[index]

    def scores(self, index: int) -> Mapping[str, float]:
        """The scores given so far to frame ``index``, by filter name."""
        return self._scores.get(index, {})

    def _judge(self, index: int) -> bool:
        scores = self._scores.setdefault(index, {})
        for name, frame_filter in self._filters.items():
            (verdict,) = frame_filter.judge([index], self._context)
            scores[name] = float(verdict.score)
            if not verdict.keep:
                self.rejections.append(
                    Rejection(index, name, float(verdict.score), float(verdict.threshold), verdict.reason)
                )
                return False
        return True


class KeyframeSelector(Plugin[SettingsT]):
    """Proposes the frames of a clip that are worth remembering."""

    #: Whether ``select`` uses the context's embeddings.
    needs_encoder: bool = False

    @abstractmethod
    def select(self, context: ClipContext, gate: FrameGate) -> Sequence[Keyframe]:
        """Return keyframes in frame order, made by :meth:`ClipContext.keyframe`, all of which pass ``gate``.

        May be empty. The engine adds the filters' scores.
        """
