"""The contract of memory stores."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import SettingsError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.interfaces.memory import picture_path
from storymem.testing.contract import PluginContract, examples, not_given
from storymem.testing.fakes import hash_vector
from storymem.values.files import FileRef

MakeStore = Callable[[], MemoryStore[Any]]
ENCODER = "encoder/1"


class StoreContract(PluginContract):
    """Subclass it and override :meth:`make_store`, which must give a new instance at every call.

    Attributes:
        persistent: What was written is there when another instance opens the folder.
    """

    persistent: bool = True

    @pytest.fixture
    def make_store(self) -> MakeStore:
        """Return a function that makes a store, not opened yet."""
        not_given(self, "make_store")

    @pytest.fixture
    def store(self, make_store: MakeStore, tmp_path: Path) -> Any:
        """An open store in an empty folder."""
        store = make_store()
        store.open(tmp_path)
        yield store
        store.close()

    def test_has_a_fingerprint(self, make_store: MakeStore) -> None:
        self.check_plugin(make_store())

    def test_a_new_store_is_empty(self, store: MemoryStore[Any]) -> None:
        assert store.owners() == frozenset()
        assert store.of("nobody") == ()
        assert store.embeddings(ENCODER, ["x"]) == {}
        assert store.nearest(ENCODER, hash_vector("x"), 3) == []

    def test_keeps_an_owners_keyframes_in_order(self, store: MemoryStore[Any], tmp_path: Path) -> None:
        one, two = keyframe(tmp_path, 2), keyframe(tmp_path, 1)
        store.add("a", [one, two])
        store.add("a", [one, two])
        store.add("empty", [])
        assert store.of("a") == (one, two)
        assert store.of("empty") == ()
        assert store.owners() == {"a", "empty"}

    def test_adding_again_replaces(self, store: MemoryStore[Any], tmp_path: Path) -> None:
        store.add("a", [keyframe(tmp_path, 1), keyframe(tmp_path, 2)])
        store.add("a", [keyframe(tmp_path, 3)])
        assert store.of("a") == (keyframe(tmp_path, 3),)

    def test_forgets_owners_and_their_embeddings_alone(self, store: MemoryStore[Any], tmp_path: Path) -> None:
        shared, own = keyframe(tmp_path, 1), keyframe(tmp_path, 2)
        store.add("a", [shared, own])
        store.add("b", [shared])
        store.put_embeddings(ENCODER, {k.id: hash_vector(k.id) for k in (shared, own)})
        store.forget(["a", "nobody"])
        assert store.owners() == {"b"}
        assert set(store.embeddings(ENCODER, [shared.id, own.id])) == {shared.id}
        assert [name for name, _ in store.nearest(ENCODER, hash_vector(own.id), 5)] == [shared.id]

    def test_keeps_embeddings_by_encoder(self, store: MemoryStore[Any], tmp_path: Path) -> None:
        picture = keyframe(tmp_path, 1)
        store.add("a", [picture])
        store.put_embeddings(ENCODER, {picture.id: hash_vector("x")})
        store.put_embeddings("other", {picture.id: hash_vector("y")[:4]})
        found = store.embeddings(ENCODER, [picture.id, "missing"])
        assert set(found) == {picture.id}
        assert np.array_equal(found[picture.id], hash_vector("x"))
        assert found[picture.id].dtype == np.float32
        assert store.embeddings("other", [picture.id])[picture.id].shape == (4,)

    def test_another_dimension_is_an_error(self, store: MemoryStore[Any], tmp_path: Path) -> None:
        one, two = keyframe(tmp_path, 1), keyframe(tmp_path, 2)
        store.add("a", [one, two])
        store.put_embeddings(ENCODER, {one.id: hash_vector("x")})
        with pytest.raises(SettingsError):
            store.put_embeddings(ENCODER, {two.id: hash_vector("y")[:4]})

    @settings(examples, max_examples=15)
    @given(count=st.integers(0, 7), inside=st.sets(st.integers(0, 5)), restrict=st.booleans())
    def test_nearest_equals_comparing_with_all(
        self,
        make_store: MakeStore,
        tmp_path_factory: pytest.TempPathFactory,
        count: int,
        inside: set[int],
        restrict: bool,
    ) -> None:
        folder = tmp_path_factory.mktemp("store")
        store = make_store()
        store.open(folder)
        pictures = [keyframe(folder, number) for number in range(6)]
        # Two pictures of one embedding: the tie goes to the smaller id.
        vectors = {k.id: hash_vector(str(min(number, 4))) for number, k in enumerate(pictures)}
        store.add("a", pictures)
        store.put_embeddings(ENCODER, vectors)
        within = {pictures[number].id for number in inside} if restrict else None
        query = hash_vector("4")
        scored = sorted((-float(v @ query), name) for name, v in vectors.items() if within is None or name in within)
        found = store.nearest(ENCODER, query, count, within)
        store.close()
        assert [name for name, _ in found] == [name for _, name in scored[:count]]
        assert [score for _, score in found] == pytest.approx([-score for score, _ in scored[:count]], abs=1e-5)

    def test_another_instance_finds_everything(self, make_store: MakeStore, tmp_path: Path) -> None:
        if not self.persistent:
            pytest.skip("the store keeps nothing between instances")
        picture = keyframe(tmp_path, 1)
        first = make_store()
        first.open(tmp_path)
        first.add("a", [picture])
        first.put_embeddings(ENCODER, {picture.id: hash_vector("x")})
        first.close()
        second = make_store()
        second.open(tmp_path)
        assert second.of("a") == (picture,)
        assert np.array_equal(second.embeddings(ENCODER, [picture.id])[picture.id], hash_vector("x"))
        second.close()

    def test_looking_creates_nothing(self, make_store: MakeStore, tmp_path: Path) -> None:
        store = make_store()
        store.open(tmp_path, write=False)
        assert (store.owners(), store.of("a"), store.embeddings(ENCODER, ["x"])) == (frozenset(), (), {})
        assert store.nearest(ENCODER, hash_vector("x"), 3) == []
        store.close()
        assert list(tmp_path.iterdir()) == [], "a file was made by looking"

    def test_looking_finds_what_was_written(self, make_store: MakeStore, tmp_path: Path) -> None:
        if not self.persistent:
            pytest.skip("the store keeps nothing between instances")
        picture, vector = keyframe(tmp_path, 1), hash_vector("x")
        writer, reader = make_store(), make_store()
        writer.open(tmp_path)
        writer.add("a", [picture])
        writer.put_embeddings(ENCODER, {picture.id: vector})
        writer.close()
        reader.open(tmp_path, write=False)
        assert reader.of("a") == (picture,)
        ((name, score),) = reader.nearest(ENCODER, vector, 1)
        assert name == picture.id
        assert score == pytest.approx(1, abs=1e-5)
        reader.close()


def keyframe(folder: Path, number: int) -> Keyframe:
    """Return a keyframe whose picture would be in ``folder``."""
    name = hashlib.sha256(str(number).encode()).hexdigest()
    scores = {"sharpness": number / 3}
    file = FileRef(picture_path(folder, name), name)
    return Keyframe(name, f"1.{number + 1}", number, 4 * number, ("Anna", "the harbour"), scores, file)
