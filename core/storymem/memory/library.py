"""The cast library: entities that several stories share, with looks, pictures and their embeddings.

A folder with a memory store of its own, one owner an entity::

    cast/cast.json      entities: id, name, kind, look, voice
    cast/objects/       their pictures
    cast/memory.sqlite  or another store's files
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from storymem.errors import ScriptError, SettingsError
from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryStore
from storymem.interfaces.memory import OBJECTS, picture_path
from storymem.media.files import writing
from storymem.media.images import read_reference, write_png
from storymem.plugin import Kind, PluginHost
from storymem.script.mentions import same_name
from storymem.settings import PluginChoice
from storymem.store.objects import file_digest
from storymem.validation import describe
from storymem.values.clip import Frames
from storymem.values.files import FileRef
from storymem.values.script import Entity, EntityKind, StoryScript

FILE = "cast.json"
_NEW = ".cast.json.new"
#: Characters of a look, as in a script.
_LONGEST_LOOK = 20_000


class CastMember(BaseModel):
    """One entity of the library.

    Attributes:
        id: By which the library and its commands name it.
        kind: What it is.
        name: As stories write it; the id if empty.
        look: What it looks like, for stories that do not say.
        voice: Name of the voice that speaks for it; empty for the default one.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(min_length=1, max_length=200)
    kind: EntityKind = EntityKind.CHARACTER
    name: str = Field("", max_length=200)
    look: str = Field("", max_length=_LONGEST_LOOK)
    voice: str = Field("", max_length=200)

    def is_named(self, entity: Entity) -> bool:
        """Whether a story's entity is this one: one of its names is one of ours, in any Unicode form and case."""
        ours, theirs = (self.id, self.name or self.id), (entity.id, entity.label)
        return any(same_name(a, b) for a in ours for b in theirs)


class _CastFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)  # what is not ours must not be dropped when we write

    entities: tuple[CastMember, ...]


class CastLibrary:
    """A folder of entities that stories share.

    Args:
        folder: Where it is; made when something is added.
        store: Which memory store keeps the pictures' records.
        host: Builds it.

    Raises:
        SettingsError: The folder's list of entities cannot be read.
    """

    def __init__(self, folder: Path, store: PluginChoice, host: PluginHost) -> None:
        self.folder = folder
        self._choice = store
        self._host = host
        self.members: dict[str, CastMember] = {member.id: member for member in _read(folder / FILE)}

    def find(self, entity: Entity) -> CastMember | None:
        """Return the member that a story's entity names."""
        return next((member for member in self.members.values() if member.is_named(entity)), None)

    def pictures(self, member: str) -> tuple[Keyframe, ...]:
        """Return the pictures of a member, by its id."""
        if not self.members:
            return ()
        with self._open() as store:
            return store.of(member)

    def pictures_of(self, entity: Entity) -> tuple[Keyframe, ...]:
        """Return the pictures of a story's entity; none if the library does not have it."""
        member = self.find(entity)
        return self.pictures(member.id) if member else ()

    def embeddings(
        self, encoder: ImageTextEncoder[Any] | None, keyframes: Sequence[Keyframe]
    ) -> dict[str, NDArray[np.float32]]:
        """Return the embeddings (D,) by id that the library has of these pictures for this encoder."""
        if encoder is None or not self.members:
            return {}
        with self._open() as store:
            return store.embeddings(encoder.fingerprint(), [k.id for k in keyframes])

    def add(
        self,
        member: CastMember,
        pictures: Sequence[Frames] = (),
        scores: Sequence[Mapping[str, float]] = (),
        encoder: ImageTextEncoder[Any] | None = None,
    ) -> int:
        """Add a member or replace what is said of it, and add pictures it does not have yet.

        Args:
            member: The entity.
            pictures: uint8 RGB (H, W, 3), of any size.
            scores: Scores of each picture, if it has any.
            encoder: Embeds the pictures, so that later runs need not.

        Returns:
            How many pictures it has now.
        """
        (self.folder / OBJECTS).mkdir(parents=True, exist_ok=True)
        with self._open() as store:
            kept = {k.id: k for k in store.of(member.id)}
            for index, pixels in enumerate(pictures):
                made = self._keep(member.id, pixels, len(kept), scores[index] if scores else {})
                kept.setdefault(made.id, made)
            store.add(member.id, tuple(kept.values()))
            if encoder is not None and pictures:
                new = encoder.encode_images
                vectors = {Keyframe.of_picture(p).id: new(p[None])[0] for p in pictures}
                store.put_embeddings(encoder.fingerprint(), vectors)
        self.members[member.id] = member
        self._write()
        return len(kept)

    def remove(self, member: str) -> None:
        """Remove a member; pictures that no other member has are deleted.

        Raises:
            SettingsError: There is no such member.
        """
        if member not in self.members:
            known = ", ".join(sorted(self.members)) or "none"
            raise SettingsError(f"{self.folder}: has no entity {member!r}; it has: {known}")
        with self._open() as store:
            gone = {k.file.digest for k in store.of(member) if k.file}
            store.forget([member])
            del self.members[member]
            self._write()
            gone -= {k.file.digest for other in self.members for k in store.of(other) if k.file}
        for digest in gone:
            picture_path(self.folder, digest).unlink(missing_ok=True)

    def _keep(self, member: str, pixels: Frames, number: int, scores: Mapping[str, float]) -> Keyframe:
        made = Keyframe.of_picture(pixels, f"ref:{member}", frame=number, entities=(member,))
        new = self.folder / OBJECTS / f".new-{os.getpid()}.png"
        write_png(new, pixels)
        digest = file_digest(new)
        path = picture_path(self.folder, digest)
        with writing(path):
            new.replace(path)
        place = (made.shot, made.position, made.frame, made.entities)
        return Keyframe(made.id, *place, dict(scores), FileRef(path, digest))

    @contextmanager
    def _open(self) -> Iterator[MemoryStore[Any]]:
        store = self._host.build(Kind.MEMORY_STORE, self._choice.name, self._choice.settings)
        assert isinstance(store, MemoryStore)
        store.open(self.folder)
        try:
            yield store
        finally:
            store.close()

    def _write(self) -> None:
        data = {"entities": [m.model_dump(mode="json") for m in sorted(self.members.values(), key=lambda m: m.id)]}
        new = self.folder / _NEW
        with writing(self.folder / FILE):
            new.write_text(json.dumps(data, ensure_ascii=False, indent=2) + "\n", "utf-8")
            new.replace(self.folder / FILE)


def with_cast(script: StoryScript, library: CastLibrary) -> StoryScript:
    """Return a script whose entities have the library's looks where they say none of their own."""

    def known(entity: Entity) -> Entity:
        member = library.find(entity)
        if member is None or entity.look or not member.look:
            return entity
        return entity.model_copy(update={"look": member.look})

    return script.model_copy(update={"entities": tuple(map(known, script.entities))})


def read_pictures(paths: Sequence[Path]) -> list[Frames]:
    """Read picture files for the library, uint8 RGB (H, W, 3) each; raises as for reference images."""
    return [read_reference(path) for path in paths]


def _read(path: Path) -> list[CastMember]:
    try:
        return list(_CastFile.model_validate_json(path.read_bytes()).entities)
    except FileNotFoundError:
        return []
    except ValidationError as error:
        raise SettingsError(f"{path}: {describe(error)}") from error
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read as a cast library ({error})") from error


def entity_of(script: StoryScript, name: str) -> Entity:
    """Return a script's entity by id or name.

    Raises:
        ScriptError: It has no such entity.
    """
    for entity in script.entities:
        if same_name(entity.id, name) or same_name(entity.label, name):
            return entity
    known = ", ".join(entity.id for entity in script.entities) or "none"
    raise ScriptError(f"{script.title}: has no entity {name!r}; it has: {known}")
