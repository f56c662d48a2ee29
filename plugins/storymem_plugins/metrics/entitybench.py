"""EntityBench's cross-shot metrics, by its code's formulas (eval/evaluate_benchmark.py)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.errors import ScriptError
from storymem.interfaces import Box, Column, FeatureSource, Film, FinishedShot, Measurement, MetricSuite, Need, Scope
from storymem.values.clip import Frames
from storymem.values.script import Entity, EntityKind
from storymem.values.storyboard import Storyboard
from storymem_plugins.metrics import needs
from storymem_plugins.metrics.formulas import (
    centroid_cosines,
    crop_quality,
    crop_sharpness,
    pair_cosines,
    spread_frames,
)
from storymem_plugins.metrics.measuring import at_least, continuations, gap_means, pair_means, shot_means

FRAMES = 5
BOX_THRESHOLD = 0.25
PRESENT = 0.20
QUERY_WORDS = 12
FIDELITY = 0.5
_SOURCE = "EntityBench"
_SPREAD = "5 frames of each shot, from the second on"


@dataclass(frozen=True, slots=True)
class Appearance:
    """The best crop of an entity in a shot.

    Attributes:
        agreement: CLIP's cosine of the crop with the description.
        row: DINOv2 embedding of the crop, (D,).
        fidelity: What the judge says of it, 0..1; None without a judge.
    """

    agreement: float
    row: NDArray[np.float32]
    fidelity: float | None

    @property
    def present(self) -> bool:
        """Whether it counts as shown."""
        return self.agreement >= PRESENT

    @property
    def faithful(self) -> bool:
        """Whether it may count for consistency: shown, and no judge says that it is something else."""
        return self.present and (self.fidelity is None or self.fidelity >= FIDELITY)


def padded_crop(frame: Frames, box: Box) -> Frames:
    """Return the box, a tenth of its size wider on each side, as far as the frame reaches; may be empty."""
    height, width = frame.shape[:2]
    left, top = max(0, int(box.left)), max(0, int(box.top))
    right, bottom = min(width, int(box.right)), min(height, int(box.bottom))
    across, down = int((right - left) * 0.1), int((bottom - top) * 0.1)
    return frame[max(0, top - down) : min(height, bottom + down), max(0, left - across) : min(width, right + across)]


def description_of(entity: Entity) -> str:
    """Return what an entity is looked for by: its look, or its name."""
    return entity.look.strip() or entity.label


def read_appearances(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> dict[str, Appearance | None]:
    """Return the appearances due in a shot, by entity; None where nothing was found."""
    at_least(shot, FRAMES)
    frames = shot.clip.frames[spread_frames(len(shot.clip), FRAMES)]
    wanted = [board.entities[id_] for id_ in dict.fromkeys(shot.shot.entities)]
    return {e.id: _find(e, frames, features) for e in wanted if e.kind != EntityKind.STYLE}


def _find(entity: Entity, frames: Frames, features: FeatureSource) -> Appearance | None:
    """Return the crop that is best in agreement x sharpness x size over all frames and boxes."""
    words = description_of(entity)
    query = " ".join(words.split()[:QUERY_WORDS])
    text = features.texts("clip_b32", [words])[0].astype(np.float64)
    best: tuple[float, float, Frames] | None = None
    for frame in frames:
        for box in features.boxes("detector", frame, query, BOX_THRESHOLD):
            crop = padded_crop(frame, box)
            if crop.size:
                agreement = float(features.images("clip_b32", crop[None])[0] @ text)
                area = 100 * crop.shape[0] * crop.shape[1] / (frame.shape[0] * frame.shape[1])
                quality = crop_quality(agreement, crop_sharpness(crop), area)
                if best is None or quality > best[0]:
                    best = (quality, agreement, crop)
    if best is None:
        return None
    _, agreement, crop = best
    fidelity = features.agreement("judge", crop, words) if features.has("judge") and agreement >= PRESENT else None
    return Appearance(agreement, features.images("dinov2", crop[None])[0], fidelity)


def _presence(kind: EntityKind) -> Callable[[Film], Iterator[Measurement]]:
    def measure(film: Film) -> Iterator[Measurement]:
        shares: dict[str, float] = {}
        single: list[Measurement] = []
        for shot, found in film.read.items():
            due = {e: a for e, a in found.items() if film.board.entities[e].kind == kind}
            shown = {e: float(a is not None and a.present) for e, a in due.items()}
            single += [Measurement(Scope.APPEARANCE, (e, shot), value) for e, value in shown.items()]
            if shown:
                shares[shot] = float(np.mean(list(shown.values())))
        if not shares:
            raise ScriptError(f"the script names no {kind} in any shot")
        yield from shot_means(shares)
        yield from single

    return measure


def faithful_rows(film: Film, kind: EntityKind | None = None) -> dict[str, dict[str, NDArray[np.float32]]]:
    """Return the embeddings of the appearances that count, by entity and shot; those of one kind, or of both kinds."""
    kinds = (EntityKind.CHARACTER, EntityKind.OBJECT) if kind is None else (kind,)
    rows: dict[str, dict[str, NDArray[np.float32]]] = {}
    for shot, found in film.read.items():
        for entity, appearance in found.items():
            if appearance is not None and appearance.faithful and film.board.entities[entity].kind in kinds:
                rows.setdefault(entity, {})[shot] = appearance.row
    return rows


def _consistency(kind: EntityKind) -> Callable[[Film], Iterator[Measurement]]:
    def measure(film: Film) -> Iterator[Measurement]:
        cosines: dict[str, dict[str, float]] = {}
        for entity, rows in faithful_rows(film, kind).items():
            if len(rows) > 1:
                values = centroid_cosines(np.stack(list(rows.values())))
                cosines[entity] = dict(zip(rows, map(float, values), strict=True))
        every = [value for values in cosines.values() for value in values.values()]
        if not every:
            raise ScriptError(f"no {kind} was found in two shots")
        yield Measurement(Scope.FILM, (), float(np.mean(every)), len(every))
        for entity, found in cosines.items():
            yield Measurement(Scope.ENTITY, (entity,), float(np.mean(list(found.values()))), len(found))
        for entity, found in cosines.items():
            yield from (Measurement(Scope.APPEARANCE, (entity, shot), value) for shot, value in found.items())

    return measure


def _gaps(film: Film) -> Iterator[Measurement]:
    positions = {shot.id: shot.position for shot in film.board}
    values: list[tuple[int, float]] = []
    for rows in faithful_rows(film).values():
        shots = list(rows)
        cosines = pair_cosines(np.stack(list(rows.values())))
        values += [(positions[shots[j]] - positions[shots[i]], value) for (i, j), value in cosines.items()]
    if not values:
        raise ScriptError("no character or object was found in two shots")
    yield Measurement(Scope.FILM, (), float(np.mean([value for _, value in values])), len(values))
    yield from gap_means(values)


def _read_ends(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> NDArray[np.float32]:
    """Return the embeddings of the first and the last frame, (2, D)."""
    return features.images("dinov2", shot.clip.frames[[0, -1]])


def _boundary(film: Film) -> Iterator[Measurement]:
    found = {
        (a.id, b.id): float(film.read[a.id][1].astype(np.float64) @ film.read[b.id][0])
        for a, b in continuations(film.board)
        if a.id in film.read and b.id in film.read
    }
    if not found:
        raise ScriptError("no shot continues the one before it without a cut")
    yield from pair_means(found)


class EntityBenchSuite(MetricSuite):
    """EntityBench: whether scheduled entities are there, and whether they stay the same; all higher is better.

    ``presence_*``: share of the due characters, objects and places whose best crop agrees with its description (CLIP,
    0.20), averaged over shots. ``cs_face`` and ``cs_object``: mean cosine (DINOv2) of an entity's crops with their
    centroid, over all crops of entities found twice. ``cs_transition_boundary``: the last frame with the next shot's
    first, where there is no cut. ``gap_decay``: cosine of all pairs of crops of one entity, by the shots between them.
    """

    needs: Mapping[str, Need] = {
        "detector": needs.GROUNDING_DINO,
        "clip_b32": needs.CLIP_B32_STANDARD,
        "dinov2": needs.DINOV2,
        "judge": needs.JUDGE,
    }

    def columns(self) -> Sequence[Column]:
        """See :meth:`MetricSuite.columns`."""
        models, judge = ("detector", "clip_b32", "dinov2"), ("judge",)
        gate = "with the fidelity gate of 0.5 only where a judge is named"
        kinds = {"character": EntityKind.CHARACTER, "object": EntityKind.OBJECT, "place": EntityKind.PLACE}
        presence = [
            Column(f"presence_{name}", "higher", _SPREAD, _SOURCE, read_appearances, _presence(kind), models)
            for name, kind in kinds.items()
        ]
        return [
            *presence,
            Column("cs_face", "higher", _SPREAD, _SOURCE, read_appearances, _consistency(EntityKind.CHARACTER), models,
                   judge, note=gate),
            Column("cs_object", "higher", _SPREAD, _SOURCE, read_appearances, _consistency(EntityKind.OBJECT), models,
                   judge, note=gate),
            Column("gap_decay", "higher", _SPREAD, _SOURCE, read_appearances, _gaps, models, judge, note=gate),
            Column("cs_transition_boundary", "higher", "the last frame and the next shot's first", _SOURCE, _read_ends,
                   _boundary, ("dinov2",)),
        ]  # fmt: skip
