"""ViStoryBench's metrics of stills, by its code's formulas; of each shot, the first frame (vistorybench/bench)."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from storymem.errors import ScriptError
from storymem.interfaces import Box, Column, FeatureSource, Film, FinishedShot, Measurement, MetricSuite, Need, Scope
from storymem.values.clip import Frames
from storymem.values.script import EntityKind
from storymem.values.storyboard import Storyboard
from storymem_plugins.metrics import needs
from storymem_plugins.metrics.formulas import cast_count_match, copy_rate, pair_cosines
from storymem_plugins.metrics.measuring import pair_means, shot_means

BOX_THRESHOLD = 0.25
#: What every character is looked for by, whatever it is.
QUERY = "character"
_SOURCE = "ViStoryBench"
_FIRST = "the first frame of each shot"
_FACES = "every character by CLIP-L/14, as ViStoryBench does for those that are no realistic people"


@dataclass(frozen=True, slots=True)
class Still:
    """What was read of a shot: the characters due, and embeddings of the boxes found for them, (n, D), best first."""

    cast: tuple[str, ...]
    rows: NDArray[np.float32]


def cut_out(frame: Frames, box: Box) -> Frames:
    """Return a box without a margin, as far as the frame reaches; may be empty."""
    height, width = frame.shape[:2]
    left, top = max(0, int(box.left)), max(0, int(box.top))
    return frame[top : max(0, min(height, int(box.bottom))), left : max(0, min(width, int(box.right)))]


def read_still(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> Still:
    """Return the embeddings of as many boxes as characters are due in the shot's first frame."""
    ids = dict.fromkeys(shot.shot.entities)
    cast = tuple(id_ for id_ in ids if board.entities[id_].kind == EntityKind.CHARACTER)
    rows = _embedded(shot.clip.frames[0], len(cast), features)
    return Still(cast, rows)


def _embedded(frame: Frames, count: int, features: FeatureSource) -> NDArray[np.float32]:
    boxes = features.boxes("detector", frame, QUERY, BOX_THRESHOLD)[:count] if count else []
    crops = [crop for box in boxes if (crop := cut_out(frame, box)).size]
    if not crops:
        return np.zeros((0, 0), dtype=np.float32)
    return np.concatenate([features.images("clip_l14", crop[None]) for crop in crops])


def reference_rows(film: Film) -> dict[str, NDArray[np.float32]]:
    """Return the embeddings of the reference images of each character, (R, D): its best box, or the whole picture."""
    found: dict[str, NDArray[np.float32]] = {}
    for entity, pictures in film.references.items():
        if film.board.entities[entity].kind == EntityKind.CHARACTER and pictures:
            rows = [_embedded(picture, 1, film.features) for picture in pictures]
            whole = [
                r if len(r) else film.features.images("clip_l14", p[None]) for r, p in zip(rows, pictures, strict=True)
            ]
            found[entity] = np.concatenate(whole)
    return found


def matched(still: Still, references: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
    """Return which box of a shot is which character.

    Each character takes the box most like its references (by the best of them) that is not more like another
    character of the shot; one whose boxes are all more like others is missing.
    """
    cast = [id_ for id_ in still.cast if id_ in references]
    if not len(still.rows) or not cast:
        return {}
    likeness = {id_: (still.rows @ references[id_].T).max(axis=1) for id_ in cast}
    found: dict[str, int] = {}
    for id_, values in likeness.items():
        for box in np.argsort(-values, kind="stable"):
            if all(likeness[other][box] <= values[box] for other in cast if other != id_):
                found[id_] = int(box)
                break
    return found


def _matches(film: Film) -> tuple[dict[str, NDArray[np.float32]], dict[str, dict[str, NDArray[np.float32]]]]:
    """Return references by character, and the matched embeddings by character and shot."""
    references = reference_rows(film)
    if not references:
        raise ScriptError("no character has a reference image to compare with")
    rows: dict[str, dict[str, NDArray[np.float32]]] = {id_: {} for id_ in references}
    for shot, still in film.read.items():
        for id_, box in matched(still, references).items():
            rows[id_][shot] = still.rows[box]
    return references, rows


def _cross(rows: NDArray[np.float64], references: NDArray[np.float32]) -> float:
    return float((rows @ references.T.astype(np.float64)).mean())


def _self(rows: NDArray[np.float64], references: NDArray[np.float32]) -> float:
    return float(np.mean(list(pair_cosines(rows).values()))) if len(rows) > 1 else 1.0


def _character_means(
    of: Callable[[NDArray[np.float64], NDArray[np.float32]], float],
) -> Callable[[Film], Iterator[Measurement]]:
    def measure(film: Film) -> Iterator[Measurement]:
        references, rows = _matches(film)
        values = {
            id_: of(np.stack(list(found.values())).astype(np.float64), references[id_]) if found else 0.0
            for id_, found in rows.items()
        }
        yield Measurement(Scope.FILM, (), float(np.mean(list(values.values()))), len(values))
        for id_, value in values.items():
            yield Measurement(Scope.ENTITY, (id_,), value, max(1, len(rows[id_])))

    return measure


def _cast_count(film: Film) -> Iterator[Measurement]:
    references = reference_rows(film)
    if not references:
        raise ScriptError("no character has a reference image to compare with")
    yield from shot_means({
        shot: cast_count_match(len(matched(still, references)), len(still.cast)) for shot, still in film.read.items()
    })  # fmt: skip


def _copying(film: Film) -> Iterator[Measurement]:
    references, rows = _matches(film)
    values: dict[str, float] = {}
    for id_, found in rows.items():
        if found and len(references[id_]) > 1:
            own = np.stack(list(found.values())).astype(np.float64)
            all_references = references[id_].astype(np.float64)
            cosines = own @ all_references.T
            values[id_] = copy_rate(cosines[:, 0], cosines[:, 1:], all_references[0] @ all_references[1:].T)
    if not values:
        raise ScriptError("no character that was found has two reference images")
    yield Measurement(Scope.FILM, (), float(np.mean(list(values.values()))), len(values))
    for id_, value in values.items():
        yield Measurement(Scope.ENTITY, (id_,), value, len(rows[id_]))


def read_style(shot: FinishedShot, board: Storyboard, features: FeatureSource) -> NDArray[np.float32]:
    """Return the style embedding of the first frame, (D,)."""
    return np.asarray(features.images("csd", shot.clip.frames[:1])[0])


def _style_self(film: Film) -> Iterator[Measurement]:
    shots = list(film.read)
    if len(shots) < 2:
        raise ScriptError("there are no two shots to compare")
    cosines = pair_cosines(np.stack([film.read[shot] for shot in shots]))
    yield from pair_means({(shots[i], shots[j]): value for (i, j), value in cosines.items()})


def _style_cross(film: Film) -> Iterator[Measurement]:
    """Compare each shot with the first reference of its first character, or of the story's first."""
    first = {id_: pictures[0] for id_, pictures in film.references.items() if pictures}
    characters = [e.id for e in film.board.script.entities if e.kind == EntityKind.CHARACTER and e.id in first]
    if not characters:
        raise ScriptError("no character has a reference image to compare with")
    rows = {id_: film.features.images("csd", first[id_][None])[0].astype(np.float64) for id_ in characters}
    values: dict[str, float] = {}
    for shot in film.board:
        if shot.id in film.read:
            own = next((id_ for id_ in shot.entities if id_ in rows), characters[0])
            values[shot.id] = float(film.read[shot.id] @ rows[own])
    yield from shot_means(values)


class ViStoryBenchSuite(MetricSuite):
    """ViStoryBench on the first frame of each shot; all but ``copy_paste`` are better high.

    ``cids_cross`` and ``cids_self``: cosine of a character's boxes with its reference images and with each other, 0 for
    one that is never found. ``occm``: how far as many characters are found as are due, 0..100. ``copy_paste``: how much
    closer they are to the first reference than to the others, 0.5 is neither. ``style_cross`` and ``style_self``:
    cosine of CSD style embeddings with the reference and between shots. The face models, the aesthetic predictor v2.5,
    prompt alignment and diversity are not reproduced.
    """

    needs: Mapping[str, Need] = {
        "detector": needs.GROUNDING_DINO,
        "clip_l14": needs.CLIP_L14_STANDARD,
        "csd": needs.CSD,
    }

    def columns(self) -> Sequence[Column]:
        """See :meth:`MetricSuite.columns`."""
        models = ("detector", "clip_l14")
        return [
            Column("cids_cross", "higher", _FIRST, _SOURCE, read_still, _character_means(_cross), models, note=_FACES),
            Column("cids_self", "higher", _FIRST, _SOURCE, read_still, _character_means(_self), models, note=_FACES),
            Column("occm", "higher", _FIRST, _SOURCE, read_still, _cast_count, models, note=_FACES),
            Column("copy_paste", "lower", _FIRST, _SOURCE, read_still, _copying, models,
                   note="the chordal form of its code; the paper's softmax form differs"),
            Column("style_cross", "higher", _FIRST, _SOURCE, read_style, _style_cross, ("csd",)),
            Column("style_self", "higher", _FIRST, _SOURCE, read_style, _style_self, ("csd",)),
        ]  # fmt: skip
