"""The built-in stores: the contract for lancedb, one answer from both, growth, damage, and names with quotes."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storymem.errors import PluginError, RunStoreError, SettingsError
from storymem.interfaces import Keyframe, MemoryStore
from storymem.interfaces.memory import picture_path
from storymem.plugin import Kind, PluginHost
from storymem.testing import StoreContract
from storymem.values.files import FileRef
from storymem_plugins.stores.matrix import EmbeddingMatrix

HOST = PluginHost()
ENCODER = 'clip/1 {"model": "it\'s"}'
LANCE_IS_MISSING = HOST.find(Kind.MEMORY_STORE, "lancedb").missing()
needs_lance = pytest.mark.skipif(bool(LANCE_IS_MISSING), reason=f"not installed: {', '.join(LANCE_IS_MISSING)}")
EACH = pytest.mark.parametrize("name", ["sqlite", pytest.param("lancedb", marks=needs_lance)])


def opened(name: str, folder: Path) -> MemoryStore[Any]:
    store = HOST.build(Kind.MEMORY_STORE, name, {})
    assert isinstance(store, MemoryStore)
    store.open(folder)
    return store


def unit(rows: int, dimension: int = 8, seed: int = 0) -> np.ndarray:
    vectors = np.random.default_rng(seed).standard_normal((rows, dimension)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def keyframe(number: int, folder: Path) -> Keyframe:
    digest = hashlib.sha256(str(number).encode()).hexdigest()
    return Keyframe(f"id{number}", "1.1", 0, number, file=FileRef(picture_path(folder, digest), digest))


@needs_lance
class TestLance(StoreContract):
    @pytest.fixture
    def make_store(self) -> Callable[[], MemoryStore[Any]]:
        def make() -> MemoryStore[Any]:
            store = HOST.build(Kind.MEMORY_STORE, "lancedb", {})
            assert isinstance(store, MemoryStore)
            return store

        return make


def test_without_its_libraries_lancedb_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storymem.plugin.registry._is_there", lambda module: False)
    with pytest.raises(PluginError, match=r"needs lancedb, pyarrow, not installed.*storymem\[lancedb\]"):
        HOST.build(Kind.MEMORY_STORE, "lancedb", {})


@needs_lance
def test_both_stores_give_the_same_neighbours(tmp_path: Path) -> None:
    vectors = unit(200)
    vectors[100:110] = vectors[7]  # ties, ordered by id
    both = []
    for name in ("sqlite", "lancedb"):
        (tmp_path / name).mkdir()
        store = opened(name, tmp_path / name)
        store.put_embeddings(ENCODER, {f"id{i}": vectors[i] for i in range(150)})
        for i in range(150, 200):
            store.put_embeddings(ENCODER, {f"id{i}": vectors[i]})
        within = {f"id{i}" for i in range(0, 200, 3)}
        both.append([store.nearest(ENCODER, vectors[7], n, w) for n in (1, 5, 11, 500) for w in (None, within)])
        store.close()
    assert both[0] == both[1]
    assert [id_ for id_, _ in both[0][2]] == ["id100", "id101", "id102", "id103", "id104"]


@EACH
def test_additions_after_a_search_are_found_and_last(name: str, tmp_path: Path) -> None:
    vectors, store = unit(300), opened(name, tmp_path)
    for i in range(0, 300, 3):
        store.put_embeddings(ENCODER, {f"id{k}": vectors[k] for k in range(i, i + 3)})
        assert store.nearest(ENCODER, vectors[i], 1)[0][0] == f"id{i}"
    store.put_embeddings(ENCODER, {"id5": vectors[200], "new": vectors[201]})
    again = opened(name, tmp_path)
    for known in (store, again):
        assert [id_ for id_, _ in known.nearest(ENCODER, vectors[200], 2)] == ["id200", "id5"]
        assert np.array_equal(known.embeddings(ENCODER, ["new", "id5"])["new"], vectors[201])
    store.close()
    again.close()
    last = opened(name, tmp_path)  # lancedb merges its many small files when it is closed
    assert len(last.nearest(ENCODER, vectors[0], 1000)) == 301
    last.close()


@EACH
def test_what_is_returned_can_be_changed_without_harm(name: str, tmp_path: Path) -> None:
    vectors, store = unit(2), opened(name, tmp_path)
    store.put_embeddings(ENCODER, {"a": vectors[0], "b": vectors[1]})
    store.embeddings(ENCODER, ["a"])["a"][:] = 0
    vectors[1] = 0
    assert store.nearest(ENCODER, unit(2)[0], 1) == [("a", pytest.approx(1.0))]
    assert store.embeddings(ENCODER, ["b"])["b"].any()
    store.close()


@EACH
def test_another_encoders_query_is_a_clear_error(name: str, tmp_path: Path) -> None:
    store = opened(name, tmp_path)
    store.put_embeddings(ENCODER, {"a": unit(1)[0]})
    with pytest.raises(SettingsError, match="gives 4 numbers a picture, the store has 8"):
        store.nearest(ENCODER, unit(1, 4)[0], 1)
    with pytest.raises(SettingsError, match="gives 4, 8 numbers a picture"):
        store.put_embeddings("fresh", {"a": unit(1, 4)[0], "b": unit(1)[0]})
    store.close()


@EACH
def test_paths_move_with_the_run_folder(name: str, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    store = opened(name, tmp_path / "run")
    bare = Keyframe("bare", "1.1", 0, 3)
    store.add("a", [keyframe(1, tmp_path / "run"), bare])
    store.close()
    (tmp_path / "run").rename(tmp_path / "moved")
    moved = opened(name, tmp_path / "moved")
    assert moved.of("a") == (keyframe(1, tmp_path / "moved"), bare)
    moved.close()


@EACH
@settings(max_examples=5, deadline=None)
@given(owners=st.sets(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)))
def test_owners_may_have_any_name(name: str, tmp_path_factory: pytest.TempPathFactory, owners: set[str]) -> None:
    folder = tmp_path_factory.mktemp("store")
    store = opened(name, folder)
    for number, owner in enumerate(sorted(owners)):
        store.add(owner, [keyframe(number, folder)])
    assert store.owners() == owners
    for number, owner in enumerate(sorted(owners)):
        assert store.of(owner) == (keyframe(number, folder),)
        store.forget([owner])
    assert store.owners() == frozenset()
    store.close()


@EACH
def test_a_damaged_store_is_one_clear_line(name: str, tmp_path: Path) -> None:
    store = opened(name, tmp_path)
    store.add("a", [keyframe(1, tmp_path)])
    store.put_embeddings(ENCODER, {"id1": unit(1)[0]})
    store.close()
    for path in tmp_path.rglob("*"):
        if path.is_file():
            path.write_bytes(b"not what was written here")
    with pytest.raises(RunStoreError, match=r"memory\.(sqlite|lancedb): cannot be used: .+") as error:
        opened(name, tmp_path)
    assert "\n" not in str(error.value)


@settings(max_examples=30, deadline=None)
@given(
    values=st.lists(st.integers(-3, 3), min_size=1, max_size=40),
    count=st.integers(0, 45),
    within=st.none() | st.sets(st.integers(0, 50)),
)
def test_the_matrix_orders_as_sorting_does(values: list[int], count: int, within: set[int] | None) -> None:
    matrix = EmbeddingMatrix([], np.empty((0, 0), dtype=np.float32))
    for number, value in enumerate(values):
        matrix.put({f"{number:02}": np.asarray([value, 1], dtype=np.float32)})
    allowed = None if within is None else {f"{number:02}" for number in within}
    listed = [(f"{i:02}", float(v)) for i, v in enumerate(values) if allowed is None or f"{i:02}" in allowed]
    expected = sorted(listed, key=lambda pair: (-pair[1], pair[0]))[:count]
    assert matrix.nearest(np.asarray([1, 0], dtype=np.float32), count, allowed) == expected


@EACH
def test_looking_creates_and_changes_nothing(name: str, tmp_path: Path) -> None:
    store = HOST.build(Kind.MEMORY_STORE, name, {})
    assert isinstance(store, MemoryStore)
    store.open(tmp_path, write=False)
    assert (store.owners(), store.of("a"), store.embeddings(ENCODER, ["x"])) == (frozenset(), (), {})
    assert store.nearest(ENCODER, unit(1)[0], 3) == []
    store.close()
    assert list(tmp_path.iterdir()) == []
    written = opened(name, tmp_path)
    written.add("a", [keyframe(1, tmp_path)])
    written.close()
    store.open(tmp_path, write=False)
    assert store.of("a") == (keyframe(1, tmp_path),)
    store.close()
