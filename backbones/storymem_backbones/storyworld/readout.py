"""A small network that reads the truth back from clips: who, what look, where, when, shot size, motion.

One query for each kind of character, each kind of thing and the place attends to the features of a frame, so that
attributes stay bound to their kind when two characters share the picture. Motion and pan are read from the change of
the queries' answers over time. Knows nothing about prompts or stories.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from itertools import pairwise
from pathlib import Path

import torch
from torch import Tensor, nn

from storymem_backbones.storyworld.world import (
    HATS,
    KINDS,
    MOTIONS,
    PANS,
    PATTERNS,
    PLACES,
    PROPS,
    SIZES,
    TIMES,
    ClipSpec,
    Colour,
)

READ_EVERY = 2  # of a clip's frames, one in so many is read
_FIGURE_PARTS = {
    "present": 1,
    "coat": 3,
    "outfit": 3,
    "hat": len(HATS),
    "scarf": 1,
    "pattern": len(PATTERNS),
}
_PROP_PARTS = {"present": 1, "colour": 3}
_SCENE_PARTS = {"place": len(PLACES), "palette": 2, "time": len(TIMES), "size": len(SIZES)}


@dataclass(frozen=True)
class ReadoutConfig:
    """Sizes of the network."""

    channels: tuple[int, ...] = (32, 64, 96, 128)
    width: int = 128
    heads: int = 4


@dataclass(frozen=True)
class Answers:
    """Raw outputs for B clips of T frames; logits, except colours and palettes in [0, 1].

    Attributes:
        figures: By part, (B, T, 13, ·): present, coat, outfit, hat, scarf, pattern of each kind.
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
    named = dict(zip(parts, torch.split(values.float(), list(parts.values()), -1), strict=True))
    return {
        name: value.sigmoid() if name in ("coat", "outfit", "colour", "palette") else value
        for name, value in named.items()
    }


class _Block(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.down = nn.Conv2d(inputs, outputs, 3, stride=2, padding=1)
        self.mix = nn.Conv2d(outputs, outputs, 3, padding=1)
        self.norms = nn.ModuleList([nn.GroupNorm(8, outputs) for _ in range(2)])

    def forward(self, features: Tensor) -> Tensor:
        features = nn.functional.silu(self.norms[0](self.down(features)))
        return features + nn.functional.silu(self.norms[1](self.mix(features)))


class Readout(nn.Module):
    """Reads clips (B, T, 3, H, W) in [-1, 1]; see `Answers`."""

    def __init__(self, config: ReadoutConfig | None = None) -> None:
        super().__init__()
        self.config = config or ReadoutConfig()
        sizes = (3, *self.config.channels)
        self.stages = nn.Sequential(*(_Block(a, b) for a, b in pairwise(sizes)))
        width = self.config.width
        self.project = nn.Conv2d(sizes[-1] + 2, width, 1)
        self.queries = nn.Parameter(0.5 * torch.randn(len(KINDS) + len(PROPS) + 1, width))
        self.layers = nn.ModuleList(
            [
                nn.TransformerDecoderLayer(
                    width, self.config.heads, 2 * width, dropout=0.0, batch_first=True, norm_first=True
                )
                for _ in range(2)
            ]
        )
        self.figure_head = nn.Linear(width, sum(_FIGURE_PARTS.values()))
        self.prop_head = nn.Linear(width, sum(_PROP_PARTS.values()))
        self.scene_head = nn.Linear(width, sum(_SCENE_PARTS.values()))
        self.over_time = nn.Sequential(
            nn.Conv1d(width, width, 3, padding=1), nn.SiLU(), nn.Conv1d(width, width, 3, padding=1), nn.SiLU()
        )
        self.motion_head = nn.Linear(2 * width, len(MOTIONS))
        self.pan_head = nn.Linear(2 * width, len(PANS))

    def _look(self, frames: Tensor) -> Tensor:
        """Answers of all queries to single frames: (N, 3, H, W) -> (N, Q, width)."""
        features = self.stages(frames)
        rows, columns = features.shape[-2:]
        y = torch.linspace(-1, 1, rows, device=frames.device, dtype=features.dtype)
        x = torch.linspace(-1, 1, columns, device=frames.device, dtype=features.dtype)
        where = torch.stack((y[:, None].expand(rows, columns), x[None].expand(rows, columns)))
        placed = torch.cat((features, where.expand(len(frames), -1, -1, -1)), 1)
        memory = self.project(placed).flatten(2).transpose(1, 2)
        answers = self.queries.expand(len(frames), -1, -1).to(memory.dtype)
        for layer in self.layers:
            answers = layer(answers, memory)
        return answers

    def _change(self, series: Tensor) -> Tensor:
        """Summary over time: (M, T, width) -> (M, 2 * width)."""
        moved = self.over_time(series.transpose(1, 2))
        return torch.cat((moved.mean(2), moved.amax(2)), 1)

    def forward(self, clips: Tensor) -> Answers:
        """Read B clips of T frames (any T >= 1; motion needs several, READ_EVERY frames apart)."""
        batch, frames = clips.shape[:2]
        answers = self._look(clips.flatten(0, 1))
        answers = answers.reshape(batch, frames, *answers.shape[1:])
        figures, props, scene = torch.split(answers, [len(KINDS), len(PROPS), 1], 2)
        series = figures.transpose(1, 2).flatten(0, 1)
        return Answers(
            figures=_split(self.figure_head(figures), _FIGURE_PARTS),
            props=_split(self.prop_head(props), _PROP_PARTS),
            scene=_split(self.scene_head(scene[:, :, 0]), _SCENE_PARTS),
            motion=self.motion_head(self._change(series)).reshape(batch, len(KINDS), len(MOTIONS)),
            pan=self.pan_head(self._change(scene[:, :, 0])),
        )


@dataclass(frozen=True)
class FigureReading:
    """What is seen of one character: its presence in [0, 1], its look and motion."""

    presence: float
    coat: Colour
    outfit: Colour
    hat: str
    scarf: bool
    pattern: str
    motion: str


@dataclass(frozen=True)
class ClipReading:
    """What is seen in one clip.

    Attributes:
        figures: By kind, only those seen (presence of at least 0.5 on average over the frames).
        props: Colours of the things seen, by kind.
        palette: The place's two palette numbers.
    """

    figures: dict[str, FigureReading]
    props: dict[str, Colour]
    place: str
    palette: tuple[float, float]
    time: str
    size: str
    pan: str


def _rgb(values: Tensor) -> Colour:
    red, green, blue = values.tolist()
    return red, green, blue


def _weighted(values: Tensor, presence: Tensor) -> Tensor:
    """Mean over frames (T, ·), weighted by presence (T,)."""
    weight = presence / presence.sum().clamp(min=1e-6)
    return (values * weight[:, None]).sum(0)


def _figure(answers: Answers, clip: int, kind: int) -> FigureReading:
    seen = {name: value[clip, :, kind].float() for name, value in answers.figures.items()}
    presence = seen["present"][:, 0].sigmoid()
    look = {name: _weighted(value, presence) for name, value in seen.items()}
    return FigureReading(
        presence=float(presence.mean()),
        coat=_rgb(look["coat"]),
        outfit=_rgb(look["outfit"]),
        hat=HATS[int(look["hat"].argmax())],
        scarf=bool(look["scarf"] > 0),
        pattern=PATTERNS[int(look["pattern"].argmax())],
        motion=MOTIONS[int(answers.motion[clip, kind].argmax())],
    )


def _clip(answers: Answers, clip: int) -> ClipReading:
    figures = {kind: _figure(answers, clip, index) for index, kind in enumerate(KINDS)}
    thing = answers.props["present"][clip, :, :, 0].float().sigmoid().mean(0)
    scene = {name: value[clip].float().mean(0) for name, value in answers.scene.items()}
    first, second = scene["palette"].tolist()
    return ClipReading(
        figures={kind: reading for kind, reading in figures.items() if reading.presence >= 0.5},
        props={
            prop: _rgb(answers.props["colour"][clip, :, index].float().mean(0))
            for index, prop in enumerate(PROPS)
            if thing[index] >= 0.5
        },
        place=PLACES[int(scene["place"].argmax())],
        palette=(first, second),
        time=TIMES[int(scene["time"].argmax())],
        size=SIZES[int(scene["size"].argmax())],
        pan=PANS[int(answers.pan[clip].argmax())],
    )


def true_reading(spec: ClipSpec) -> ClipReading:
    """What a perfect network would read from a clip's own render."""
    figures = {
        look.kind: FigureReading(1.0, look.coat, look.outfit, look.hat, look.scarf, look.pattern, actor.motion)
        for actor in spec.actors
        for look in (actor.look,)
    }
    place, props = spec.setting, {prop.kind: prop.colour for prop in spec.props}
    return ClipReading(figures, props, place.kind, place.palette, spec.time, spec.size, spec.pan)


@torch.no_grad()
def read_clips(readout: Readout, clips: Tensor, batch: int = 16) -> list[ClipReading]:
    """Read whole clips (B, T, 3, H, W) in [-1, 1], at the size they were rendered in."""
    readings: list[ClipReading] = []
    for part in torch.split(clips[:, ::READ_EVERY], batch):
        answers: Answers = readout(part)
        readings += [_clip(answers, index) for index in range(len(part))]
    return readings


def save_readout(readout: Readout, folder: Path) -> None:
    """Write `config.json` and half-precision `model.safetensors`."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(readout.config), indent=2) + "\n")
    weights = {name: value.detach().half().cpu().contiguous() for name, value in readout.state_dict().items()}
    save_file(weights, str(folder / "model.safetensors"))


def load_readout(folder: Path, device: torch.device | str = "cpu") -> Readout:
    """Load what `save_readout` wrote, in float32, ready to read."""
    from safetensors.torch import load_file

    stored = json.loads((folder / "config.json").read_text())
    config = ReadoutConfig(tuple(stored["channels"]), stored["width"], stored["heads"])
    readout = Readout(config)
    weights = load_file(str(folder / "model.safetensors"))
    readout.load_state_dict({name: value.float() for name, value in weights.items()})
    return readout.to(device).eval()
