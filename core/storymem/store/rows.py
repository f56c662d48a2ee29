"""From rows of the run database to records, and back."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from storymem.errors import RunStoreError
from storymem.numbers import SEED_LIMIT
from storymem.store.records import Override, Take
from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe
from storymem.values.work import Rejection

TAKE_COLUMNS = "shot, number, key, clip, master, frames, width, height, fps, request, pinned, created, seconds"
RECALL_COLUMNS = "id, source, position, frame, entities, reason"


def take_of(row: Sequence[Any], recalled: tuple[Keyframe, ...]) -> Take:
    """Return the take of a row of :data:`TAKE_COLUMNS`."""
    shot, number, key, clip, master, frames, width, height, fps, request, pinned, created, seconds = row
    plain = from_json(request, f"take {number} of shot {shot}")
    size = (frames, width, height, fps)
    return Take(shot, number, key, clip, master, *size, plain, recalled, bool(pinned), created, seconds)


def take_row(take: Take) -> tuple[Any, ...]:
    """Return a take as a row of :data:`TAKE_COLUMNS`."""
    size = (take.frames, take.width, take.height, take.fps)
    request = json.dumps(take.request, sort_keys=True)
    rest = (request, int(take.pinned), take.created, take.seconds)
    return (take.shot, take.number, take.key, take.clip, take.master, *size, *rest)


def override_row(shot: str, override: Override) -> tuple[Any, ...]:
    """Return what the user changed as a row of the table ``overrides``."""
    seed = override.seed
    # SQLite's integers have a sign, seeds have none: the upper half is kept as its two's complement.
    return shot, seed - SEED_LIMIT if seed is not None and seed >= SEED_LIMIT // 2 else seed, override.prompt


def override_of(seed: int | None, prompt: str | None) -> Override:
    """Return what the user changed, of the columns ``seed`` and ``prompt``."""
    return Override(seed if seed is None else seed % SEED_LIMIT, prompt)


def recalled_of(row: Sequence[Any], file: FileRef | None) -> Keyframe:
    """Return the keyframe of a row of :data:`RECALL_COLUMNS`; its file is None if it was pruned or lost."""
    id_, source, position, frame, entities, reason = row
    shown = tuple(from_json(entities, f"a picture recalled from shot {source}"))
    return Keyframe(id_, source, position, frame, shown, file=file, reason=reason)


def recall_row(take: Take, ordinal: int, keyframe: Keyframe) -> tuple[Any, ...]:
    """Return a recalled picture as a row: shot and number of the take, ordinal, :data:`RECALL_COLUMNS`."""
    shown = json.dumps(keyframe.entities, ensure_ascii=False)
    where = (keyframe.shot, keyframe.position, keyframe.frame)
    return (take.shot, take.number, ordinal, keyframe.id, *where, shown, keyframe.reason)


def rejections_of(text: str, shot: str) -> tuple[Rejection, ...]:
    """Return the rejections that a selection recorded."""
    return tuple(Rejection(**row) for row in from_json(text, f"the selection of shot {shot}"))


def from_json(text: str, what: str) -> Any:
    """Return what a JSON column holds; raises :class:`RunStoreError` where somebody or a disk fault changed it."""
    try:
        return json.loads(text)
    except ValueError as error:
        raise RunStoreError(f"run database: {what} is damaged ({error}); see storymem repair") from error
