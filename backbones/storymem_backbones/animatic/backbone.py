"""The animatic backbone: checks a request, draws its layers once, and photographs them frame by frame.

It knows nothing about stories, shot ids or run folders.
"""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from storymem.interfaces import Backbone, Capabilities, GenerationRequest, Mode, Progress
from storymem.media.clip import Clip, Frames
from storymem_backbones.animatic.settings import AnimaticSettings

CAPABILITIES = Capabilities(
    modes=frozenset(Mode),
    size=(832, 480),
    size_multiple=16,
    frames=81,
    frame_step=4,
    fps=16,
    max_memory=64,
    max_handover=81,
    concurrent=True,
)
GROUP = 8  #: frames between two calls of ``progress``


class Animatic(Backbone[AnimaticSettings]):
    """Draw an instant storyboard preview of every shot, without any model."""

    shot_options = frozenset({"captions", "memory_strip", "slate", "move_strength", "ease_frames"})

    def capabilities(self) -> Capabilities:
        """Return all modes, 4n+1 frames, sizes in multiples of 16, and that calls may run side by side."""
        return CAPABILITIES

    def generate(self, request: GenerationRequest, progress: Progress) -> Clip:
        """Draw the clip; see :class:`storymem.interfaces.Backbone`."""
        frames = np.empty((request.frames, request.height, request.width, 3), np.uint8)
        picture = np.asarray(_picture(request))
        first = _repeat(request, frames)
        for index in range(first, request.frames):
            if (index - first) % GROUP == 0:
                progress(index, request.frames)
            frames[index] = np.roll(picture, index // 2, axis=1)
        progress(request.frames, request.frames)
        return Clip(frames, CAPABILITIES.fps)


def _repeat(request: GenerationRequest, frames: Frames) -> int:
    if request.handed_over is None:
        return 0
    count = len(request.handed_over)
    frames[:count] = request.handed_over
    return count


def _picture(request: GenerationRequest) -> Image.Image:
    digest = hashlib.sha256(f"{request.prompt}/{request.seed}".encode("utf-8", "replace")).digest()
    picture = Image.new("RGB", (request.width, request.height), (60 + digest[0] // 2, 60 + digest[1] // 2, 120))
    pen = ImageDraw.Draw(picture)
    for i in range(6):
        x, y = digest[2 + i] * request.width // 256, digest[10 + i] * request.height // 256
        pen.ellipse((x, y, x + request.width // 6, y + request.width // 6), fill=tuple(digest[16 + i : 19 + i]))
    text = request.prompt.encode("ascii", "replace").decode()[:200]
    pen.text((8, request.height * 0.8), text, font=ImageFont.load_default(14))
    return picture
