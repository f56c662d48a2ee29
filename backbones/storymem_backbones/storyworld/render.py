"""Turn clip specs into pictures: one batched tensor program, on a CPU or a GPU.

The only Python loops run over kinds of places and characters, never over clips or frames. The result depends on the
specs alone. Knows nothing about captions or stories.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import torch
from torch import Tensor

from storymem_backbones.storyworld import indoors, outdoors
from storymem_backbones.storyworld.figures import SCALE, Paint, Stance, draw_figure, draw_shadow
from storymem_backbones.storyworld.motion import Pose, poses
from storymem_backbones.storyworld.packing import Batch, pack
from storymem_backbones.storyworld.painter import Canvas
from storymem_backbones.storyworld.props import draw_prop
from storymem_backbones.storyworld.scenery import Scene
from storymem_backbones.storyworld.world import FRAMES, INDOOR, KINDS, PLACES, PROPS, ClipSpec

HORIZON = 0.25  # height of the horizon in world units
FRAME_HEIGHT = (2.25, 1.3, 0.78)  # world units that the frame's height shows, by shot size
EYE_LEVEL = (0.74, 0.58, 0.66)  # height of the middle of the frame, by shot size
WIDEST = FRAME_HEIGHT[0]
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
    table_height = torch.tensor(FRAME_HEIGHT, device=device)[batch.size]
    level = torch.tensor(EYE_LEVEL, device=device)[batch.size]
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
    zoom = WIDEST**0.6 * view.height**0.4  # far things grow less than near ones as the camera comes closer
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
    table = torch.tensor(((1.0, 1.0, 1.0), _SUNSET[indoor], _NIGHT[indoor]), device=time.device)
    return table[time]


def _paint_places(batch: Batch, view: _View, frames: int, shape: tuple[int, int]) -> Canvas:
    count = batch.size.shape[0] * frames
    rgb = torch.zeros(count, 3, *shape, device=batch.size.device)
    tint = torch.ones(count, 3, device=batch.size.device)
    for index, place in enumerate(PLACES):
        clips = (batch.place == index).nonzero()[:, 0]
        if not len(clips):
            continue
        rows = _frame_rows(clips, frames)
        time = batch.time[clips].repeat_interleave(frames)
        canvas = Canvas(rgb[rows], _light(time, place in INDOOR))
        palette = batch.palette[clips].repeat_interleave(frames, 0)
        layout = batch.layout[clips].repeat_interleave(frames)[:, None, None]
        _PAINTERS[place](_background_scene(canvas, view.rows(rows), palette, layout, time))
        rgb[rows], tint[rows] = canvas.rgb, canvas.tint
    return Canvas(rgb, tint)


def _frame_rows(clips: Tensor, frames: int) -> Tensor:
    return (clips[:, None] * frames + torch.arange(frames, device=clips.device)).flatten()


def _draw_cast(canvas: Canvas, batch: Batch, view: _View, frames: int) -> None:
    for slot in range(batch.kind.shape[1]):
        motion = poses(*batch.motion_of(slot), frames)
        path = batch.actor_path(slot, frames)
        for index, kind in enumerate(KINDS):
            clips = (batch.kind[:, slot] == index).nonzero()[:, 0]
            if len(clips):
                _draw_kind(canvas, batch, view, frames, slot, kind, clips, motion, path)


def _draw_kind(
    canvas: Canvas,
    batch: Batch,
    view: _View,
    frames: int,
    slot: int,
    kind: str,
    clips: Tensor,
    motion: Pose,
    path: Tensor,
) -> None:
    rows = _frame_rows(clips, frames)
    part = Canvas(canvas.rgb[rows], canvas.tint[rows])
    seen = view.rows(rows)
    pose = Pose(*(getattr(motion, item.name)[clips].flatten()[:, None, None] for item in fields(Pose)))
    stance = Stance(pose, path[clips].flatten()[:, None, None], SCALE[kind])
    paint = Paint(*(value[clips].repeat_interleave(frames, 0) for value in batch.looks(slot)))
    x = seen.screen_x * seen.height + seen.camera
    y = seen.screen_y * seen.height + seen.middle
    draw_shadow(part, x, y, stance)
    draw_figure(part, x, y, seen.pixel * seen.height, kind, paint, stance)
    canvas.rgb[rows] = part.rgb


def _draw_props(canvas: Canvas, batch: Batch, view: _View, frames: int) -> None:
    for index, prop in enumerate(PROPS):
        clips = (batch.prop == index).nonzero()[:, 0]
        if not len(clips):
            continue
        rows = _frame_rows(clips, frames)
        part = Canvas(canvas.rgb[rows], canvas.tint[rows])
        seen = view.rows(rows)
        colour = batch.prop_colour[clips].repeat_interleave(frames, 0)
        x = (
            seen.screen_x * seen.height
            + seen.camera
            - batch.prop_x[clips].repeat_interleave(frames)[:, None, None]
        )
        y = seen.screen_y * seen.height + seen.middle
        draw_prop(part, x, y, seen.pixel * seen.height, prop, colour)
        canvas.rgb[rows] = part.rgb


def _vignette(canvas: Canvas, view: _View) -> Tensor:
    """Darken the corners a little."""
    far = (view.screen_x / 0.9) ** 2 + (view.screen_y / 0.62) ** 2
    return canvas.rgb * (1.0 - 0.16 * far.clamp(0, 1.6) ** 2 / 1.6)[:, None]


def _render_chunk(
    specs: Sequence[ClipSpec], frames: int, height: int, width: int, device: torch.device
) -> Tensor:
    batch = pack(specs, device)
    view = _view(batch, frames, height, width)
    canvas = _paint_places(batch, view, frames, (height, width))
    _draw_props(canvas, batch, view, frames)
    _draw_cast(canvas, batch, view, frames)
    pictures = _vignette(canvas, view).clamp(0, 1) * 2 - 1
    return pictures.unflatten(0, (len(specs), frames))


@torch.no_grad()
def render(
    specs: Sequence[ClipSpec],
    frames: int = FRAMES,
    height: int = 96,
    width: int = 160,
    device: torch.device | str = "cpu",
    chunk: int = 128,
) -> Tensor:
    """Draw clips.

    Args:
        specs: At least one clip.
        frames: Frames a clip, the first at time 0.
        chunk: Clips drawn at once; bounds the memory, does not change the result.

    Returns:
        Float pictures in [-1, 1], (B, T, 3, height, width), RGB, on `device`.
    """
    target = torch.device(device)
    parts = [
        _render_chunk(specs[start : start + chunk], frames, height, width, target)
        for start in range(0, len(specs), chunk)
    ]
    return torch.cat(parts)
