"""The accept gate: a clip that fails its filters is made again with another seed, and the best attempt is kept.

Off by default: every further attempt costs a whole generation.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from storymem.interfaces import FrameFilter
from storymem.interfaces.selection import ClipContext
from storymem.keys import derived_seed
from storymem.values.work import Rejection


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of a clip: the share of its sampled frames that pass, their mean margin, the refusals."""

    accepted: bool
    share: float
    margin: float
    rejections: tuple[Rejection, ...] = ()

    @property
    def rank(self) -> tuple[float, float]:
        """Orders attempts; higher is better."""
        return self.share, self.margin


@dataclass(frozen=True, slots=True)
class AcceptGate:
    """Judges whole clips by frame filters.

    Attributes:
        filters: Frame filters by name.
        attempts: Most clips to make for one shot.
        share: Share of the sampled frames, 0..1, that must pass all filters.
        samples: How many frames to look at, evenly spaced.
    """

    filters: Mapping[str, FrameFilter[Any]]
    attempts: int
    share: float
    samples: int

    def judge(self, context: ClipContext) -> Judgement:
        """Judge a clip by evenly spaced frames of its own, not the ones it repeats."""
        frames = sample(context.first, len(context.clip), self.samples)
        passed = dict.fromkeys(frames, True)
        margins: list[float] = []
        rejections: list[Rejection] = []
        for name, frame_filter in self.filters.items():
            for frame, verdict in zip(frames, frame_filter.judge(frames, context), strict=True):
                margins.append(float(verdict.score) - float(verdict.threshold))
                if not verdict.keep:
                    passed[frame] = False
                    score, threshold = float(verdict.score), float(verdict.threshold)
                    rejections.append(Rejection(frame, f"accept:{name}", score, threshold, verdict.reason))
        share = sum(passed.values()) / len(passed)
        return Judgement(share >= self.share, share, sum(margins) / len(margins), tuple(rejections))

    def fingerprint(self) -> list[Any]:
        """Return what decides which attempt is kept."""
        filters = [f"{name}={f.fingerprint()}" for name, f in self.filters.items()]
        return [self.attempts, self.share, self.samples, *filters]


def sample(first: int, end: int, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced indices of ``first .. end-1``, each in the middle of its stretch."""
    length = end - first
    return sorted({first + (2 * i + 1) * length // (2 * count) for i in range(count)})


def attempt_seed(seed: int, attempt: int) -> int:
    """Return the seed of an attempt, 0 first: the shot's own, then ones derived from it."""
    return seed if attempt == 0 else derived_seed(seed, "attempt", attempt)
