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
from storymem.text import one_line
from storymem.values.work import Rejection

#: Most characters of advice in a prompt: text encoders read a few hundred tokens, and the story comes first.
ADVICE_LENGTH = 300


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the gate says of a clip.

    Attributes:
        accepted: Whether it is good enough.
        share: Share of its sampled frames that pass, 0..1.
        margin: Mean of score minus threshold.
        rejections: The refused frames.
        advice: What the filters would add to the prompt, at most :data:`ADVICE_LENGTH` characters.
    """

    accepted: bool
    share: float
    margin: float
    rejections: tuple[Rejection, ...] = ()
    advice: str = ""

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
        revise: Whether the next attempt's prompt takes the advice of the filters.
    """

    filters: Mapping[str, FrameFilter[Any]]
    attempts: int
    share: float
    samples: int
    revise: bool = False

    def judge(self, context: ClipContext) -> Judgement:
        """Judge a clip by evenly spaced frames of its own, not the ones it repeats."""
        frames = sample(context.first, len(context.clip), self.samples)
        passed = dict.fromkeys(frames, True)
        margins: list[float] = []
        rejections: list[Rejection] = []
        advice: list[str] = []
        for name, frame_filter in self.filters.items():
            for frame, verdict in zip(frames, frame_filter.judge(frames, context), strict=True):
                margins.append(float(verdict.score) - float(verdict.threshold))
                if not verdict.keep:
                    passed[frame] = False
                    advice.append(verdict.advice)
                    score, threshold = float(verdict.score), float(verdict.threshold)
                    rejections.append(Rejection(frame, f"accept:{name}", score, threshold, verdict.reason))
        share = sum(passed.values()) / len(passed)
        margin = sum(margins) / len(margins)
        return Judgement(share >= self.share, share, margin, tuple(rejections), _joined(advice))

    def fingerprint(self) -> list[Any]:
        """Return what decides which attempt is kept."""
        filters = [f"{name}={f.fingerprint()}" for name, f in self.filters.items()]
        return [self.attempts, self.share, self.samples, *filters, *(["revise"] if self.revise else [])]


def revised(prompt: str, advice: str) -> str:
    """Return a prompt with advice after it."""
    return f"{prompt.rstrip()} {advice}" if advice else prompt


def _joined(advice: list[str]) -> str:
    """Return pieces of advice on one line, each once, as many whole ones as there is room for."""
    text = ""
    for piece in dict.fromkeys(one_line(a).strip() for a in advice):
        longer = f"{text} {piece}".strip()
        if len(longer) <= ADVICE_LENGTH:
            text = longer
    return text


def sample(first: int, end: int, count: int) -> list[int]:
    """Return up to ``count`` evenly spaced indices of ``first .. end-1``, each in the middle of its stretch."""
    length = end - first
    return sorted({first + (2 * i + 1) * length // (2 * count) for i in range(count)})


def attempt_seed(seed: int, attempt: int) -> int:
    """Return the seed of an attempt, 0 first: the shot's own, then ones derived from it."""
    return seed if attempt == 0 else derived_seed(seed, "attempt", attempt)
