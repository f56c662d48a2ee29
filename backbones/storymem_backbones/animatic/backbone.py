"""The animatic backbone: checks a request, draws its layers once, and photographs them frame by frame.

It knows nothing about stories, shot ids or run folders; the same request gives the same bytes anywhere.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image
from pydantic import ValidationError

from storymem.errors import SettingsError
from storymem.interfaces import Backbone, Capabilities, Mode, Progress, ShotRequest
from storymem.validation import describe
from storymem.values.clip import Clip, Frames, check_frames
from storymem_backbones.animatic.camera import Afterimage, Camera, path_of
from storymem_backbones.animatic.cast import cast_of
from storymem_backbones.animatic.colour import oklch
from storymem_backbones.animatic.overlay import Slate, load_font, overlay
from storymem_backbones.animatic.reading import Angle, Move, Reading, action_of, read
from storymem_backbones.animatic.settings import AnimaticSettings
from storymem_backbones.animatic.sheet import Stage
from storymem_backbones.animatic.staging import Staging
from storymem_backbones.animatic.weather import Falling

CAPABILITIES = Capabilities(
    modes=frozenset(Mode),
    size=(832, 480),
    size_multiple=16,
    frames=81,
    frame_step=4,
    fps=16,
    max_memory=64,
    handovers=frozenset(range(1, 82)),
    concurrent=True,
)
MAX_SIDE = 8192  #: pixels
GROUP = 8  #: frames between two calls of ``progress``


class Animatic(Backbone[AnimaticSettings]):
    """Draw an instant storyboard preview of every shot, without any model."""

    version = "2"
    shot_options = frozenset({"captions", "memory_strip", "slate", "move_strength", "ease_frames"})

    def capabilities(self) -> Capabilities:
        """Return all modes, 4n+1 frames, sizes in multiples of 16, and that calls may run side by side."""
        return CAPABILITIES

    def fingerprint(self) -> str:
        """Return the settings, and the font file's content where one is set."""
        font = self.settings.font
        if not font:
            return super().fingerprint()
        load_font(font, 12)
        return f"{super().fingerprint()}/{hashlib.sha256(Path(font).read_bytes()).hexdigest()}"

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Draw the clip; see :class:`storymem.interfaces.Backbone`."""
        check(request)
        settings = self._settings_for(request)
        frames = np.empty((request.frames, request.height, request.width, 3), np.uint8)
        first = 0
        if request.handover_frames is not None:
            first = len(request.handover_frames)
            frames[:first] = request.handover_frames
        if first < request.frames:
            progress(0, request.frames)
            _Shot(request, settings).film(frames, first, progress)
        progress(request.frames, request.frames)
        return Clip(frames, CAPABILITIES.fps)

    def _settings_for(self, request: ShotRequest) -> AnimaticSettings:
        unknown = sorted(set(request.options) - self.shot_options)
        if unknown:
            raise SettingsError(
                f"animatic: a shot cannot change {unknown[0]!r}; it can change {', '.join(sorted(self.shot_options))}"
            )
        try:
            return AnimaticSettings.model_validate({**self.settings.model_dump(), **request.options})
        except ValidationError as error:
            raise SettingsError(f"animatic: shot options: {describe(error)}") from error


def check(request: ShotRequest) -> None:
    """Raise a one-line :class:`storymem.errors.StoryMemError` unless the request can be drawn."""
    CAPABILITIES.check_size(request.width, request.height)
    CAPABILITIES.check_frames(request.frames, "animatic")
    if max(request.width, request.height) > MAX_SIDE:
        raise SettingsError(f"animatic: size {request.width}x{request.height} is too large; at most {MAX_SIDE} a side")
    if not 0 <= request.seed < 2**64:
        raise SettingsError(f"animatic: seed {request.seed} must be 0 .. 2**64 - 1")
    if len(request.memory) > CAPABILITIES.max_memory:
        raise SettingsError(f"animatic: {len(request.memory)} memory keyframes; at most {CAPABILITIES.max_memory}")
    for index, frame in enumerate(request.pictures):
        check_frames(frame, 3, f"memory keyframe {index}")
    if request.handover_frames is not None:
        _check_handover(request.handover_frames, request)


def _check_handover(frames: Frames, request: ShotRequest) -> None:
    check_frames(frames, 4, "handed-over frames")
    count, height, width = frames.shape[:3]
    if (width, height) != (request.width, request.height):
        raise SettingsError(
            f"handed-over frames are {width}x{height} but the shot is {request.width}x{request.height}; "
            "use one size, or a cut between them"
        )
    most = min(request.frames, max(CAPABILITIES.handovers))
    if count > most:
        raise SettingsError(f"{count} frames were handed over to a shot of {request.frames}; at most {most} fit")


class _Shot:
    """One request being drawn."""

    def __init__(self, request: ShotRequest, settings: AnimaticSettings) -> None:
        self.request, self.settings = request, settings
        self.action = action_of(request.prompt, [subject.name for subject in request.subjects])
        self.cast = cast_of(self.action, request.subjects)
        self.reading = read(self.action, self.cast.place_text)

    def film(self, frames: Frames, first: int, progress: Progress) -> None:
        """Fill ``frames[first:]``."""
        size = (self.request.width, self.request.height)
        staging = Staging(Stage(size), self.reading, self.cast, self._seen(), self.request.seed, self.settings.grain)
        path = path_of(self.reading.move, self.request.seed, self.settings.move_strength)
        path = replace(path, step=staging.step)
        camera = Camera(staging.layers(), path, size, self.request.seed)
        falling = self._falling(staging)
        over, opacity = overlay(self._slate(staging), size)
        handed = self.request.handover_frames
        after = Afterimage(handed) if handed is not None else None
        count = len(frames) - first
        ease = min(self.settings.ease_frames, count)
        for index in range(count):
            if index % GROUP == 0:
                progress(first + index, len(frames))
            picture = camera.frame(index / max(1, count - 1), index / CAPABILITIES.fps)
            if falling is not None:
                falling.lay(picture, index / CAPABILITIES.fps)
            picture.paste(over, (0, 0), opacity)
            if after is not None and index < ease:
                picture = Image.blend(after.frame(index + 1), picture, _ease((index + 1) / (ease + 1)))
            frames[first + index] = np.asarray(picture)

    def _falling(self, staging: Staging) -> Falling | None:
        if self.reading.weather not in ("rain", "snow"):
            return None
        colour = staging.lit.tone(0.95, 0.02, 230)
        return Falling(self.reading.weather, colour, (self.request.width, self.request.height))

    def _seen(self) -> Frames | None:
        """Return the picture last seen: the last handed-over frame, else the last keyframe."""
        if self.request.handover_frames is not None:
            return self.request.handover_frames[-1]  # type: ignore[no-any-return]
        return self.request.memory[-1].load() if self.request.memory else None

    def _slate(self, staging: Staging) -> Slate:
        settings, reading = self.settings, self.reading
        shown = (*self.cast.figures[: staging.framing.most], *self.cast.things)
        return Slate(
            caption=self.action if settings.captions else "",
            title=_title(self.request.mode, reading) if settings.slate else "",
            names=[(look.name, oklch(*look.badge)) for look in shown],
            seed=self.request.seed,
            memory=self.request.pictures if settings.memory_strip else (),
            font=settings.font,
        )


def _title(mode: Mode, reading: Reading) -> str:
    parts = [mode.value.upper(), reading.size.value]
    if reading.angle is not Angle.EYE:
        parts.append(reading.angle.value)
    if reading.move is not Move.DRIFT:
        parts.append(reading.move.value)
    return " / ".join(parts)


def _ease(t: float) -> float:
    return t * t * (3 - 2 * t)
