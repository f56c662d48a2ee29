"""How long recall takes: nearest neighbours, similarity to a text, and policies, at 1,000 and 100,000 keyframes.

Usage: python benchmarks/memory_store.py [--counts 1000 100000] [--repeat 15] [--out benchmarks/results/memory_store.md]

Random unit vectors of 512 numbers. The encoder embeds a text in no time, so that only the store, the view and the
policy are measured; all embeddings are there before. Each line gives the median by the clock and the median processor
time; on a busy machine the clock counts waiting for other programs as well. The first use of a store reads every
embedding once and is given on its own. Ends with an error if the processor time of `nearest` is over its bound.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryPolicy, MemoryStore, MemoryView
from storymem.plugin import Kind, PluginHost
from storymem.values.clip import Frames
from storymem.values.script import StoryScript
from storymem.values.storyboard import Storyboard

DIMENSION, PER_SHOT, BUDGET = 512, 10, 8
ENTITIES = 12
#: Milliseconds, by number of keyframes.
BOUNDS = {1_000: 5.0, 100_000: 60.0}
Row = tuple[str, str, int, float, float]


class QuickEncoder(ImageTextEncoder):
    """One fixed vector for every text."""

    @property
    def dimension(self) -> int:
        """512."""
        return DIMENSION

    def encode_images(self, frames: Frames) -> NDArray[np.float32]:
        """Refuse: all embeddings are stored beforehand."""
        raise AssertionError("an embedding is missing in the store")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return unit vectors."""
        return np.repeat(vectors(1, seed=1), len(texts), axis=0)


def main() -> None:
    arguments = parse()
    host = PluginHost()
    stores = [name for name in ("sqlite", "lancedb") if not host.find(Kind.MEMORY_STORE, name).missing()]
    rows = [row for count in arguments.counts for name in stores for row in measure(host, name, count, arguments)]
    text = report(rows, stores, arguments)
    print(text)
    if arguments.out:
        arguments.out.write_text(text, encoding="utf-8")
    late = [row for row in rows if row[1].startswith("nearest") and row[4] > BOUNDS.get(row[2], np.inf)]
    if late:
        raise SystemExit(f"over the bound: {late}")


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--counts", type=int, nargs="+", default=[1_000, 100_000])
    parser.add_argument("--repeat", type=int, default=15)
    parser.add_argument("--policies-up-to", type=int, default=1_000, help="most keyframes at which policies recall")
    parser.add_argument("--out", type=Path, help="write the table here too")
    return parser.parse_args()


def measure(host: PluginHost, name: str, count: int, arguments: argparse.Namespace) -> Iterator[Row]:
    board = story(count // PER_SHOT + 1)
    found, encoder = keyframes(board, count), QuickEncoder()
    fingerprint, query = encoder.fingerprint(), vectors(1, seed=1)[0]
    embedded = dict(zip((k.id for k in found), vectors(count), strict=True))
    timed = _Timer(name, count, arguments.repeat)
    with tempfile.TemporaryDirectory() as folder:
        store = fill(host, name, Path(folder), found, fingerprint, embedded)
        yield timed.once("first use: read all embeddings", lambda: store.nearest(fingerprint, query, BUDGET))
        half = {k.id for k in found[::2]}
        yield timed("nearest", lambda: store.nearest(fingerprint, query, BUDGET))
        yield timed("nearest within half", lambda: store.nearest(fingerprint, query, BUDGET, half))
        yield timed("text similarity, new view", lambda: view(board, found, encoder, store).text_similarity("x"))
        seen = view(board, found, encoder, store)
        yield timed("text similarity, same view", lambda: seen.text_similarity("x"))
        added = iter(range(10**6))
        yield timed("put one embedding", lambda: store.put_embeddings(fingerprint, {f"new{next(added)}": query}))
        if count <= arguments.policies_up_to:
            yield from policies(host, timed, board, lambda: view(board, found, encoder, store))
        store.close()


def policies(host: PluginHost, timed: _Timer, board: Storyboard, new_view: Callable[[], MemoryView]) -> Iterator[Row]:
    """Yield the recall time of every policy, each time from a new view, as for every shot of a run."""
    last = board.shots[-1]
    for name in host.registry.names(Kind.MEMORY_POLICY):
        policy = host.build(
            Kind.MEMORY_POLICY, name, {"parts": [{"policy": "entity_bank"}]} if name == "compose" else {}
        )
        assert isinstance(policy, MemoryPolicy)
        policy.recall(
            last, new_view(), BUDGET
        )  # what is worked out once a story, such as the cast, is no part of recall
        yield timed(f"recall by {name}", lambda p=policy: p.recall(last, new_view(), BUDGET))


class _Timer:
    def __init__(self, store: str, count: int, repeat: int) -> None:
        self._store, self._count, self._repeat = store, count, repeat

    def __call__(self, what: str, work: Callable[[], object]) -> Row:
        taken = [timed(work) for _ in range(self._repeat)]
        clock, processor = (statistics.median(column) for column in zip(*taken, strict=True))
        return self._store, what, self._count, clock, processor

    def once(self, what: str, work: Callable[[], object]) -> Row:
        return self._store, what, self._count, *timed(work)


def timed(work: Callable[[], object]) -> tuple[float, float]:
    """Return milliseconds by the clock and of the processor."""
    started, processor = time.perf_counter(), time.process_time()
    work()
    return 1e3 * (time.perf_counter() - started), 1e3 * (time.process_time() - processor)


def fill(
    host: PluginHost, name: str, folder: Path, found: list[Keyframe], fingerprint: str, embedded: dict[str, Any]
) -> MemoryStore[Any]:
    """Return a store that was filled, closed and opened again."""
    for again in (False, True):
        store = host.build(Kind.MEMORY_STORE, name, {})
        assert isinstance(store, MemoryStore)
        store.open(folder)
        if not again:
            store.add("library", found)
            store.put_embeddings(fingerprint, embedded)
            store.close()
    return store


def view(board: Storyboard, found: list[Keyframe], encoder: QuickEncoder, store: MemoryStore[Any]) -> MemoryView:
    return MemoryView(board, found, encoder, store, ordered=True)


def story(shots: int) -> Storyboard:
    """Return a story whose shots show two of twelve entities each."""
    names = [f"E{i}" for i in range(ENTITIES)]
    plain = [
        {
            "prompt": f"{names[i % ENTITIES]} meets {names[i * 5 % 7]}.",
            "entities": [names[i % ENTITIES], names[i * 5 % 7]],
        }
        for i in range(shots)
    ]
    for shot in plain:
        shot["entities"] = list(dict.fromkeys(shot["entities"]))
    script = {"title": "Library", "entities": [{"id": name} for name in names], "scenes": [{"shots": plain}]}
    return Storyboard(StoryScript.model_validate(script))


def keyframes(board: Storyboard, count: int) -> list[Keyframe]:
    """Return ten keyframes of every shot but the last."""
    found = []
    for i in range(count):
        shot = board.shots[i // PER_SHOT]
        name = hashlib.sha256(str(i).encode()).hexdigest()
        found.append(Keyframe(name, shot.id, shot.position, i % PER_SHOT, Path(f"{name}.png"), shot.entities))
    return found


def vectors(count: int, seed: int = 0) -> NDArray[np.float32]:
    rows = np.random.default_rng(seed).standard_normal((count, DIMENSION), dtype=np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), dtype=np.float32)


def report(rows: Sequence[Row], stores: Sequence[str], arguments: argparse.Namespace) -> str:
    """Return the table, with what is needed to repeat it."""
    counts = " ".join(map(str, arguments.counts))
    lines = [
        "# Recall time",
        "",
        f"    python benchmarks/memory_store.py --counts {counts} --repeat {arguments.repeat}",
        "",
        (
            f"Stores: {', '.join(stores)}. {DIMENSION} numbers a keyframe, {BUDGET} recalled. Medians of "
            f"{arguments.repeat}, milliseconds. {platform.machine()}, {os.cpu_count()} cores, load "
            f"{os.getloadavg()[0]:.1f} (where it exceeds the cores, the clock counts waiting too), "
            f"numpy {np.__version__}, Python {platform.python_version()}."
        ),
        "",
        "Bounds for `nearest`, processor time: "
        + ", ".join(f"{bound:g} ms at {count:,}" for count, bound in BOUNDS.items())
        + ".",
        "",
        "| store | keyframes | what | clock ms | processor ms |",
        "|---|---:|---|---:|---:|",
    ]
    lines += [f"| {store} | {n:,} | {what} | {clock:.2f} | {cpu:.2f} |" for store, what, n, clock, cpu in rows]
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
