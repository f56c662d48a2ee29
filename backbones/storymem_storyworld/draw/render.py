"""Turn clip specs into pictures: one batched tensor program, on a CPU or a GPU.

The only Python loops run over kinds of places and characters, never over clips or frames. The result
depends on the specs alone. Knows nothing about captions or stories.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from storymem_storyworld.draw import indoors, outdoors
from storymem_storyworld.draw.figures import SCALE, Paint, Stance, draw_figure, draw_shadow
from storymem_storyworld.draw.motion import Pose, poses
from storymem_storyworld.draw.packing import SLOTS, Batch, pack
from storymem_storyworld.draw.painter import Canvas, constant
from storymem_storyworld.draw.props import draw_prop
from storymem_storyworld.draw.scenery import Scene
from storymem_storyworld.world.spec import FRAMES, INDOOR, KINDS, PLACES, PROPS, ClipSpec

HEIGHT, WIDTH = 96, 160  # pixels of the usual picture
HORIZON = 0.25  # height of the horizon in world units
FRAME_HEIGHT = (1.85, 1.3, 0.78)  # world units that the frame's height shows, by shot size
EYE_LEVEL = (0.65, 0.58, 0.66)  # height of the middle of the frame, by shot size
_SCENERY_HEIGHT = 2.25  # frame height from which the scenery is drawn as it was designed
_NIGHT = ((0.50, 0.56, 0.82), (0.74, 0.68, 0.72))  # light outdoors, indoors
_SUNSET = ((1.0, 0.84, 0.72), (1.0, 0.92, 0.82))
_PAINTERS = {place: getattr(indoors if place in INDOOR else outdoors, place) for place in PLACES}


@dataclass(frozen=True)
class _View:
    """Camera geometry of each picture, (N, 1, 1) unless said otherwise."""

    height: Tensor
    middle: Tensor
    camera: Tensor
    screen_x: Tensor  # (1, 1, W) in frame heights
    screen_y: Tensor  # (1, H, 1) in frame heights, up
    pixel: float  # frame heights

    def rows(self, index: Tensor) -> _View:
        return _View(
            self.height[index],
            self.middle[index],
            self.camera[index],
            self.screen_x,
            self.screen_y,
            self.pixel,
        )


def _view(batch: Batch, frames: int, height: int, width: int) -> _View:
    device = batch.size.device
    table_height = constant(FRAME_HEIGHT, device)[batch.size]
    level = constant(EYE_LEVEL, device)[batch.size]
    lift = torch.where(batch.size > 0, batch.mean_scale, torch.ones_like(batch.mean_scale))
    size = table_height * lift
    column = (torch.arange(width, device=device) + 0.5 - width / 2) / height
    row = (height / 2 - 0.5 - torch.arange(height, device=device)) / height
    return _View(
        size.repeat_interleave(frames)[:, None, None],
        (level * lift).repeat_interleave(frames)[:, None, None],
        batch.camera_path(frames).flatten()[:, None, None],
        column[None, None],
        row[None, :, None],
        1.0 / height,
    )


def _background_scene(canvas: Canvas, view: _View, palette: Tensor, layout: Tensor, time: Tensor) -> Scene:
    zoom = _SCENERY_HEIGHT**0.6 * view.height**0.4  # far things grow less than near ones as the camera comes closer
    horizon = ((HORIZON - view.middle) / view.height).clamp(min=-0.42)
    return Scene(
        canvas,
        screen_x=view.screen_x * zoom,
        y=(view.screen_y - horizon) * zoom,
        pixel=view.pixel * zoom,
        camera=view.camera,
        layout=layout,
        palette=palette,
        night=(time == 2).float(),
        sunset=(time == 1).float(),
    )


def _light(time: Tensor, indoor: bool) -> Tensor:
    return constant(((1.0, 1.0, 1.0), _SUNSET[indoor], _NIGHT[indoor]), time.device)[time]


@dataclass
class _Stage:
    """B clips of `frames` frames while they are drawn: N = B * frames pictures."""

    batch: Batch
    view: _View
    frames: int
    canvas: Canvas

    def rows(self, clips: Tensor) -> Tensor:
        """The pictures (indices into N) of these clips."""
        return (clips[:, None] * self.frames + torch.arange(self.frames, device=clips.device)).flatten()

    def each_frame(self, values: Tensor, clips: Tensor) -> Tensor:
        """Per-clip values repeated for every frame of these clips."""
        return values[clips].repeat_interleave(self.frames, 0)

    def part(self, rows: Tensor) -> Canvas:
        """A copy of these pictures, to be drawn on."""
        return Canvas(self.canvas.rgb[rows], self.canvas.tint[rows])

    def world(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """World coordinates of the pixels of these pictures: x, y and the size of a pixel."""
        seen = self.view.rows(rows)
        x = seen.screen_x * seen.height + seen.camera
        return x, seen.screen_y * seen.height + seen.middle, seen.pixel * seen.height

    def paint_place(self, place: str, clips: Tensor) -> None:
        """Paint the backgrounds of these clips, all in the same kind of place."""
        rows = self.rows(clips)
        time = self.each_frame(self.batch.time, clips)
        canvas = Canvas(self.canvas.rgb[rows], _light(time, place in INDOOR))
        palette = self.each_frame(self.batch.palette, clips)
        layout = self.each_frame(self.batch.layout, clips)[:, None, None]
        _PAINTERS[place](_background_scene(canvas, self.view.rows(rows), palette, layout, time))
        self.canvas.rgb[rows], self.canvas.tint[rows] = canvas.rgb, canvas.tint

    def draw_prop(self, prop: str, clips: Tensor) -> None:
        """Draw the things of these clips, all of the same kind."""
        rows = self.rows(clips)
        part = self.part(rows)
        x, y, pixel = self.world(rows)
        middle = self.each_frame(self.batch.prop_x, clips)[:, None, None]
        draw_prop(part, x - middle, y, pixel, prop, self.each_frame(self.batch.prop_colour, clips))
        self.canvas.rgb[rows] = part.rgb

    def draw_actors(self, slot: int) -> None:
        """Draw the first or the second character of all clips that have one."""
        motion = poses(self.batch.track(slot), self.frames)
        path = self.batch.actor_path(slot, self.frames)
        for kind, clips in _groups(self.batch.kind[:, slot], KINDS):
            pose = Pose(*(getattr(motion, item.name)[clips].flatten()[:, None, None] for item in fields(Pose)))
            stance = Stance(pose, path[clips].flatten()[:, None, None], SCALE[kind])
            paint = Paint(*(self.each_frame(value, clips) for value in self.batch.looks(slot)))
            rows = self.rows(clips)
            part = self.part(rows)
            x, y, pixel = self.world(rows)
            draw_shadow(part, x, y, stance)
            draw_figure(part, x, y, pixel, kind, paint, stance)
            self.canvas.rgb[rows] = part.rgb


def _groups(index: Tensor, names: Sequence[str]) -> Iterator[tuple[str, Tensor]]:
    """Each name that occurs, with the clips in which it does."""
    for position, name in enumerate(names):
        clips = (index == position).nonzero()[:, 0]
        if len(clips):
            yield name, clips


def _vignette(canvas: Canvas, view: _View) -> Tensor:
    """Darken the corners a little."""
    far = (view.screen_x / 0.9) ** 2 + (view.screen_y / 0.62) ** 2
    return canvas.rgb * (1.0 - 0.16 * far.clamp(0, 1.6) ** 2 / 1.6)[:, None]


def _staged(specs: Sequence[ClipSpec], frames: int, height: int, width: int, device: torch.device) -> _Stage:
    """The clips without their characters."""
    batch = pack(specs, device)
    count = len(specs) * frames
    blank = Canvas(torch.zeros(count, 3, height, width, device=device), torch.ones(count, 3, device=device))
    stage = _Stage(batch, _view(batch, frames, height, width), frames, blank)
    for place, clips in _groups(batch.place, PLACES):
        stage.paint_place(place, clips)
    for prop, clips in _groups(batch.prop, PROPS):
        stage.draw_prop(prop, clips)
    return stage


def _finished(stage: _Stage) -> Tensor:
    """Pictures (B, T, 3, H, W) with the characters drawn in."""
    for slot in range(SLOTS):
        stage.draw_actors(slot)
    pictures = _vignette(stage.canvas, stage.view).clamp(0, 1) * 2 - 1
    return pictures.view(-1, stage.frames, *pictures.shape[1:])


@torch.no_grad()
def render(
    specs: Sequence[ClipSpec],
    frames: int = FRAMES,
    height: int = HEIGHT,
    width: int = WIDTH,
    device: torch.device | str = "cpu",
    chunk: int = 128,
) -> Tensor:
    """Draw clips.

    Args:
        specs: The clips; none give an empty batch.
        frames: Frames a clip, the first at time 0.
        height: Of the pictures, in pixels; `width` likewise.
        width: See `height`; 5/3 of it shows what the sampler meant to show.
        device: Where to draw.
        chunk: Clips drawn at once; bounds the memory, does not change the result.

    Returns:
        Float pictures in [-1, 1], (B, T, 3, height, width), RGB, on `device`.
    """
    target = torch.device(device)
    if not specs:
        return torch.empty(0, frames, 3, height, width, device=target)
    return torch.cat([_finished(_staged(part, frames, height, width, target)) for part in _chunks(specs, chunk)])


@torch.no_grad()
def render_with_figures(
    specs: Sequence[ClipSpec], device: torch.device | str = "cpu", chunk: int = 128
) -> tuple[Tensor, Tensor]:
    """Draw clips of the usual size and say where the characters are: pictures as `render`, and bool (B, T, H, W).

    At least one clip.
    """
    pictures, figures = list[Tensor](), list[Tensor]()
    for part in _chunks(specs, chunk):
        stage = _staged(part, FRAMES, HEIGHT, WIDTH, torch.device(device))
        empty = stage.canvas.rgb.clone()
        pictures.append(_finished(stage))
        figures.append((stage.canvas.rgb != empty).any(1).view(-1, FRAMES, HEIGHT, WIDTH))
    return torch.cat(pictures), torch.cat(figures)


def as_bytes(pictures: Tensor) -> Tensor:
    """Pictures in [-1, 1] as uint8, the same shape."""
    return ((pictures + 1) * 127.5).round().clamp(0, 255).byte()


def _chunks(specs: Sequence[ClipSpec], size: int) -> Iterator[Sequence[ClipSpec]]:
    for start in range(0, len(specs), size):
        yield specs[start : start + size]
