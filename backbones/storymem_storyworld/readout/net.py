"""The network of the read-out: one query for each kind of character, each kind of thing and the scene.

Queries first find out what is where on a coarse grid, then take two closer looks: at features of stride 4, for hats,
scarves and patterns, and at stride 2, where the attention's weights average the picture's own colours, so that a
colour that is read is nearly a copy of one that is seen. Attributes stay bound to their kind when two characters share
the picture. What the whole picture does over time is seen in how far its content shifts from frame to frame.
Knows nothing about prompts or stories.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from storymem_storyworld.world.spec import HATS, KINDS, MOTIONS, PANS, PATTERNS, PLACES, PROPS, SIZES, TIMES

_COPIED = ("coat", "outfit", "hat_colour", "scarf_colour")  # what the first attention maps of a figure look for
_FIGURE_PARTS = (
    {"present": 1, "hat": len(HATS), "scarf": 1, "pattern": len(PATTERNS)} | dict.fromkeys(_COPIED, 6) | {"twice": 1}
)
_PROP_PARTS = {"present": 1, "colour": 6}
_SCENE_PARTS = {"place": len(PLACES), "palettes": 2 * len(PLACES), "time": len(TIMES), "size": len(SIZES)}
_REACH = 6  # cells of stride 2 that content may shift between two frames
_SHIFT_CELLS = (4, 5)  # regions of the picture whose shifts are told apart


@dataclass(frozen=True)
class ReadoutConfig:
    """Sizes of the network.

    Attributes:
        channels: Of the stages of stride 2, 4, ...; at least two.
        detail: Channels of the features of stride 4.
        fine: Channels of the features of stride 2, more than 8.
        glimpses: Attention maps of each query in each closer look; at least four.
    """

    channels: tuple[int, ...] = (32, 64, 96, 128)
    width: int = 128
    heads: int = 4
    detail: int = 48
    fine: int = 32
    glimpses: int = 6


@dataclass(frozen=True)
class Answers:
    """Raw outputs for B clips of T frames; logits, except colours and palettes in [0, 1].

    Attributes:
        figures: By part, (B, T, 13, ·): present, twice (there are two of them), coat, outfit, hat, scarf, pattern
            of each kind; hat_colour and scarf_colour, which mean something only where they are worn.
        props: By part, (B, T, 6, ·): present, colour of each thing.
        scene: By part, (B, T, ·): place, palette, time, size.
        motion: (B, 13, 9), for each kind.
        pan: (B, 3).
    """

    figures: dict[str, Tensor]
    props: dict[str, Tensor]
    scene: dict[str, Tensor]
    motion: Tensor
    pan: Tensor


def _split(values: Tensor, parts: dict[str, int]) -> dict[str, Tensor]:
    return dict(zip(parts, torch.split(values.float(), list(parts.values()), -1), strict=True))


def _held(values: Tensor) -> Tensor:
    """Values held in [0, 1], with a gradient outside as well."""
    return values + (values.clamp(0, 1) - values).detach()


def _copied(seen: Tensor, change: Tensor) -> Tensor:
    """Colours (..., 3) as seen, under a light and an offset that `change` (..., 6) gives."""
    gain, offset = change.chunk(2, -1)
    return _held(seen.float() * (1 + gain) + offset)


def _unfolded(values: Tensor, first: tuple[int, int]) -> Tensor:
    """(a * b, ...) -> (a, b, ...)."""
    return values.reshape(*first, *values.shape[1:])


def _grid(rows: int, columns: int, like: Tensor) -> Tensor:
    """Positions y, x in [-1, 1], (2, rows, columns)."""
    y = torch.linspace(-1, 1, rows, device=like.device, dtype=like.dtype)
    x = torch.linspace(-1, 1, columns, device=like.device, dtype=like.dtype)
    return torch.stack((y[:, None].expand(rows, columns), x[None].expand(rows, columns)))


def _placed(features: Tensor) -> Tensor:
    """Features (N, C, H, W) with their positions, (N, C + 2, H, W)."""
    rows, columns = features.shape[-2:]
    where = _grid(rows, columns, features)
    return torch.cat((features, where.expand(len(features), -1, -1, -1)), 1)


def _enlarged(features: Tensor, like: Tensor) -> Tensor:
    return functional.interpolate(features, size=like.shape[-2:], mode="nearest")


class _Block(nn.Module):
    """(N, C, H, W) -> (N, C', H / 2, W / 2)."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1, bias=False)
        self.mix = nn.Conv2d(outputs, outputs, 3, padding=1, bias=False)
        self.norms = nn.ModuleList([nn.BatchNorm2d(outputs) for _ in range(2)])

    def forward(self, features: Tensor) -> Tensor:
        features = functional.silu(self.norms[0](self.down(features)))
        return features + functional.silu(self.norms[1](self.mix(features)))


@dataclass(frozen=True)
class _Maps:
    """Features of N frames.

    Attributes:
        coarse: Of the last stage, (N, width, h, w).
        detail: Of stride 4, (N, detail, H / 4, W / 4).
        fine: Of stride 2, (N, fine, H / 2, W / 2).
        first: Of the first stage alone, (N, channels[0], H / 2, W / 2).
    """

    coarse: Tensor
    detail: Tensor
    fine: Tensor
    first: Tensor


class _Trunk(nn.Module):
    """Frames (N, 3, H, W) -> `_Maps`; what coarse stages know is handed down to the fine ones."""

    def __init__(self, config: ReadoutConfig) -> None:
        super().__init__()
        self.stages = nn.ModuleList([_Block(a, b) for a, b in pairwise((3, *config.channels))])
        self.project = nn.Conv2d(config.channels[-1] + 2, config.width, 1)
        self.lateral = nn.ModuleList([nn.Conv2d(size, config.detail, 1) for size in config.channels[1:-1]])
        self.down = nn.Conv2d(config.width, config.detail, 1)
        self.smooth = nn.Conv2d(config.detail + 2, config.detail, 3, padding=1)
        self.fine = nn.Conv2d(config.channels[0], config.fine, 1)
        self.fine_down = nn.Conv2d(config.detail, config.fine, 1)

    def forward(self, frames: Tensor) -> _Maps:
        levels: list[Tensor] = []
        features = frames
        for stage in self.stages:
            features = stage(features)
            levels.append(features)
        coarse = self.project(_placed(features))
        detail = self.down(coarse)
        for lateral, level in zip(reversed(self.lateral), levels[-2:0:-1], strict=True):
            detail = lateral(level) + _enlarged(detail, level)
        detail = functional.silu(self.smooth(_placed(detail)))
        fine = self.fine(levels[0]) + _enlarged(self.fine_down(detail), levels[0])
        return _Maps(coarse, detail, functional.silu(fine), levels[0])


class _Glimpse(nn.Module):
    """Attention maps of each query over a grid, whose weights average what lies there."""

    def __init__(self, width: int, keys: int, maps: int) -> None:
        super().__init__()
        self.maps = maps
        self.norm = nn.LayerNorm(width)
        self.ask = nn.Linear(width, maps * keys)

    def forward(self, answers: Tensor, keys: Tensor, values: Tensor) -> Tensor:
        """(N, Q, width), keys (N, K, H, W), values (N, K, H, W) -> (N, Q, maps, K)."""
        count, queries = answers.shape[:2]
        asked = self.ask(self.norm(answers)).view(count, 1, queries * self.maps, -1)
        where, what = (grid.flatten(2).transpose(1, 2).contiguous()[:, None] for grid in (keys, values))
        found = functional.scaled_dot_product_attention(asked, where.to(asked.dtype), what.to(asked.dtype))
        return found.view(count, queries, self.maps, -1)


class _Merge(nn.Module):
    """What was glimpsed (N, Q, ...) joins the answers (N, Q, width)."""

    def __init__(self, width: int, glimpsed: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.inner = nn.Linear(width + glimpsed, 2 * width)
        self.outer = nn.Linear(2 * width, width)

    def forward(self, answers: Tensor, glimpsed: Tensor) -> Tensor:
        joined = torch.cat((self.norm(answers), glimpsed.flatten(2).to(answers.dtype)), -1)
        merged: Tensor = answers + self.outer(functional.silu(self.inner(joined)))
        return merged


class _Shift(nn.Module):
    """How far each region's content moved sideways since the frame before: (B, T, C, H, W) -> (B, T, width)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.look = nn.Conv2d(channels, 8, 1)
        self.sharpness = nn.Parameter(torch.tensor(8.0))
        self.read = nn.Linear((2 * _REACH + 1) * _SHIFT_CELLS[0] * _SHIFT_CELLS[1], width)

    def forward(self, features: Tensor) -> Tensor:
        batch, frames = features.shape[:2]
        rows = functional.avg_pool2d(self.look(features.flatten(0, 1)), (2, 1))
        seen = functional.normalize(rows, dim=1, eps=1e-3).contiguous()
        seen = _unfolded(seen, (batch, frames))
        before = torch.cat((seen[:, :1], seen[:, :-1]), 1).flatten(0, 1)
        now, columns = functional.pad(seen.flatten(0, 1), (_REACH, _REACH)), seen.shape[-1]
        alike = [(before * now[..., i : i + columns]).sum(1) for i in range(2 * _REACH + 1)]
        chance = (self.sharpness * torch.stack(alike, 1)).softmax(1)
        pooled = functional.adaptive_avg_pool2d(chance, _SHIFT_CELLS).flatten(1)
        return _unfolded(self.read(pooled), (batch, frames))


def _decoder(config: ReadoutConfig) -> nn.Module:
    return nn.TransformerDecoderLayer(
        config.width, config.heads, 2 * config.width, dropout=0.0, batch_first=True, norm_first=True
    )


def _head(width: int, parts: dict[str, int]) -> nn.Sequential:
    return nn.Sequential(nn.LayerNorm(width), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, sum(parts.values())))


class Readout(nn.Module):
    """Reads clips (B, T, 3, H, W) in [-1, 1]; see `Answers`."""

    def __init__(self, config: ReadoutConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or ReadoutConfig()
        width, maps = config.width, config.glimpses
        self.trunk = _Trunk(config)
        self.queries = nn.Parameter(0.5 * torch.randn(len(KINDS) + len(PROPS) + 1, width))
        self.layers = nn.ModuleList([_decoder(config) for _ in range(2)])
        self.closer = _Glimpse(width, config.detail, maps)
        self.closer_merge = _Merge(width, maps * config.detail)
        self.closest = _Glimpse(width, config.fine, maps)
        self.closest_merge = _Merge(width, maps * config.fine)
        self.figure_head = _head(width, _FIGURE_PARTS)
        self.prop_head = _head(width, _PROP_PARTS)
        self.scene_head = _head(width, _SCENE_PARTS)
        self.shift = _Shift(config.channels[0], width)
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.SiLU(), nn.Conv1d(width, width, 3, padding=1), nn.SiLU()
        )
        self.motion_head = nn.Linear(2 * width, len(MOTIONS))
        self.pan_head = nn.Linear(4 * width, len(PANS))
        nn.utils.convert_conv2d_weight_memory_format(self.trunk, torch.channels_last)

    def _look(self, frames: Tensor, maps: _Maps) -> tuple[Tensor, Tensor]:
        """Answers of all queries to single frames (N, Q, width) and the colours they see (N, Q, maps, 3)."""
        memory = maps.coarse.flatten(2).transpose(1, 2)
        answers = self.queries.expand(len(frames), -1, -1).to(memory.dtype)
        for layer in self.layers:
            answers = layer(answers, memory)
        colours = functional.avg_pool2d(frames, 2, ceil_mode=True)
        values = torch.cat((_placed(torch.cat((colours, colours**2), 1)), maps.fine[:, 8:].to(colours.dtype)), 1)
        seen = self.closest(answers, maps.fine, values)
        answers = self.closest_merge(answers, seen)
        answers = self.closer_merge(answers, self.closer(answers, maps.detail, maps.detail))
        return answers, 0.5 + 0.5 * seen[..., :3]

    def _change(self, series: Tensor) -> Tensor:
        """Summary over time: (M, T, width) -> (M, 2 * width)."""
        moved = self.over_time(series.transpose(1, 2))
        return torch.cat((moved.mean(2), moved.amax(2)), 1)

    def _figures(self, answers: Tensor, seen: Tensor) -> dict[str, Tensor]:
        """Parts of each kind, from answers (B, T, 13, width) and colours (B, T, 13, maps, 3)."""
        parts = _split(self.figure_head(answers), _FIGURE_PARTS)
        return parts | {name: _copied(seen[..., i, :], parts[name]) for i, name in enumerate(_COPIED)}

    def _props(self, answers: Tensor, seen: Tensor) -> dict[str, Tensor]:
        parts = _split(self.prop_head(answers), _PROP_PARTS)
        return parts | {"colour": _copied(seen[..., 0, :], parts["colour"])}

    def _scene(self, answers: Tensor) -> dict[str, Tensor]:
        """Parts of the scene (B, T, ·); a palette means another thing in each kind of place, so each has its own."""
        parts = _split(self.scene_head(answers), _SCENE_PARTS)
        palettes = parts.pop("palettes").sigmoid()
        palettes = palettes.reshape(*palettes.shape[:-1], len(PLACES), 2)
        return parts | {"palette": (palettes * parts["place"].softmax(-1)[..., None]).sum(-2)}

    def forward(self, clips: Tensor) -> Answers:
        """Read B clips of T frames (any T >= 1; motion needs several, READ_EVERY frames apart)."""
        shape = (clips.shape[0], clips.shape[1])
        frames = clips.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        maps: _Maps = self.trunk(frames)
        answers, seen = (_unfolded(found, shape) for found in self._look(frames, maps))
        sizes = [len(KINDS), len(PROPS), 1]
        figures, props, scene = torch.split(answers, sizes, 2)
        figure_colours, prop_colours, _ = torch.split(seen, sizes, 2)
        looks = self._figures(figures, figure_colours)
        moved = _unfolded(self._change(figures.transpose(1, 2).flatten(0, 1)), (shape[0], len(KINDS)))
        here = looks["present"].detach().sigmoid().mean(1)
        everywhere = self._change(scene[:, :, 0] + self.shift(_unfolded(maps.first, shape)))
        return Answers(
            figures=looks,
            props=self._props(props, prop_colours),
            scene=self._scene(scene[:, :, 0]),
            motion=self.motion_head(moved).float(),
            pan=self.pan_head(torch.cat((everywhere, (moved * here).sum(1).to(everywhere.dtype)), 1)).float(),
        )
