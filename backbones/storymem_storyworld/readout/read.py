"""A small network that reads the truth back from clips: who, what look, where, when, shot size, motion.

`net` is the network; here its answers to single frames become one reading of a clip, and weights are stored.
Knows nothing about prompts or stories.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor

from storymem_storyworld.readout.net import Answers, Readout, ReadoutConfig
from storymem_storyworld.world.colours import Colour
from storymem_storyworld.world.spec import (
    HATS,
    KINDS,
    MOTIONS,
    PANS,
    PATTERNS,
    PLACES,
    PROPS,
    SIZES,
    TIMES,
    Actor,
    ClipSpec,
)

__all__ = [
    "READ_EVERY",
    "Answers",
    "ClipReading",
    "FigureReading",
    "Readout",
    "ReadoutConfig",
    "load_readout",
    "over_clip",
    "read_clips",
    "save_readout",
    "stored_config",
    "true_reading",
]

READ_EVERY = 2  # of a clip's frames, one in so many is read


@dataclass(frozen=True)
class FigureReading:
    """What is seen of one kind of character.

    Attributes:
        presence: In [0, 1].
        hat_colour, scarf_colour: Mean something only where they are worn.
        twice: Whether there are two of this kind.
    """

    presence: float
    coat: Colour
    outfit: Colour
    hat: str
    scarf: bool
    pattern: str
    motion: str
    hat_colour: Colour
    scarf_colour: Colour
    twice: bool = False


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


def _over_frames(parts: dict[str, Tensor]) -> dict[str, Tensor]:
    """Means over the frames, (B, T, K, ·) -> (B, K, ·), weighted by presence; `present` becomes a probability."""
    presence = parts["present"].sigmoid()
    weight = presence / presence.sum(1, keepdim=True).clamp(min=1e-6)
    return {name: (value * weight).sum(1) for name, value in parts.items()} | {"present": presence.mean(1)}


@torch.no_grad()
def over_clip(answers: Answers) -> Answers:
    """One answer for each clip: the same parts without the axis of time.

    Looks are averaged over the frames, each frame weighted by how surely the character or thing is there, so that
    frames in which it has left the picture do not blur its colours. `present` is the mean probability.
    """
    scene = {name: value.mean(1) for name, value in answers.scene.items()}
    return Answers(_over_frames(answers.figures), _over_frames(answers.props), scene, answers.motion, answers.pan)


def _figure(answers: Answers, clip: int, kind: int) -> FigureReading:
    look = {name: value[clip, kind] for name, value in answers.figures.items()}
    return FigureReading(
        presence=float(look["present"]),
        coat=_rgb(look["coat"]),
        outfit=_rgb(look["outfit"]),
        hat=HATS[int(look["hat"].argmax())],
        scarf=bool(look["scarf"] > 0),
        pattern=PATTERNS[int(look["pattern"].argmax())],
        motion=MOTIONS[int(answers.motion[clip, kind].argmax())],
        hat_colour=_rgb(look["hat_colour"]),
        scarf_colour=_rgb(look["scarf_colour"]),
        twice=bool(look["twice"] > 0),
    )


def _clip(answers: Answers, clip: int) -> ClipReading:
    """The reading of one clip of `over_clip`."""
    present, thing = answers.figures["present"][clip, :, 0], answers.props["present"][clip, :, 0]
    scene = {name: value[clip] for name, value in answers.scene.items()}
    first, second = scene["palette"].tolist()
    return ClipReading(
        figures={kind: _figure(answers, clip, i) for i, kind in enumerate(KINDS) if present[i] >= 0.5},
        props={prop: _rgb(answers.props["colour"][clip, i]) for i, prop in enumerate(PROPS) if thing[i] >= 0.5},
        place=PLACES[int(scene["place"].argmax())],
        palette=(first, second),
        time=TIMES[int(scene["time"].argmax())],
        size=SIZES[int(scene["size"].argmax())],
        pan=PANS[int(answers.pan[clip].argmax())],
    )


def _true_figure(actor: Actor, twice: bool) -> FigureReading:
    look = actor.look
    worn = look.hat, look.scarf, look.pattern
    return FigureReading(1.0, look.coat, look.outfit, *worn, actor.motion, look.hat_colour, look.scarf_colour, twice)


def true_reading(spec: ClipSpec) -> ClipReading:
    """What a perfect network would read from a clip's own render."""
    kinds = [actor.look.kind for actor in spec.actors]
    figures = {actor.look.kind: _true_figure(actor, kinds.count(actor.look.kind) > 1) for actor in spec.actors}
    place, props = spec.setting, {prop.kind: prop.colour for prop in spec.props}
    return ClipReading(figures, props, place.kind, place.palette, spec.time, spec.size, spec.pan)


@torch.no_grad()
def read_clips(readout: Readout, clips: Tensor, batch: int = 16) -> list[ClipReading]:
    """Read whole clips (B, T, 3, H, W) in [-1, 1], at the size they were rendered in."""
    readings: list[ClipReading] = []
    for part in torch.split(clips[:, ::READ_EVERY], batch):
        answers = over_clip(readout(part))
        readings += [_clip(answers, index) for index in range(len(part))]
    return readings


def save_readout(readout: Readout, folder: Path) -> None:
    """Write `config.json` and `model.safetensors`: matrices and kernels in half precision, the rest as it is."""
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps(asdict(readout.config), indent=2) + "\n")
    state = {name: value.detach().cpu().contiguous() for name, value in readout.state_dict().items()}
    weights = {name: value.half() if value.ndim > 1 else value for name, value in state.items()}
    save_file(weights, str(folder / "model.safetensors"))


def stored_config(folder: Path) -> ReadoutConfig:
    """The sizes of the network in a folder that `save_readout` wrote."""
    stored = json.loads((folder / "config.json").read_text())
    return ReadoutConfig(**stored | {"channels": tuple(stored["channels"])})


def load_readout(folder: Path, device: torch.device | str = "cpu") -> Readout:
    """Load what `save_readout` wrote, in float32, ready to read."""
    from safetensors.torch import load_file

    readout = Readout(stored_config(folder))
    weights = load_file(str(folder / "model.safetensors"))
    readout.load_state_dict(weights)
    return readout.to(device).eval()
