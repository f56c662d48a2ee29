"""How long policies take: the graph of a long story, and one recall from many keyframes.

Usage: python benchmarks/policy_speed.py [--shots 10000] [--keyframes 1000]

Two made-up stories: in ``random`` each shot shows five of sixty entities; in ``local`` a main character, two of five
others and a place that changes every forty shots. Three shots of ten continue the one before. Times are CPU seconds
of this process, so that other work on the machine does not count. Embeddings of length 512 are stored beforehand.
Writes benchmarks/results/policy_speed.md.
"""

from __future__ import annotations

import argparse
import random
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from storymem.graph import build_graph
from storymem.interfaces import ImageTextEncoder, Keyframe, MemoryView
from storymem.plugin import Kind, PluginHost
from storymem.testing import DictStore
from storymem.values.script import Entity, Scene, Shot, StoryScript
from storymem.values.storyboard import Storyboard

OUT = Path(__file__).parent / "results" / "policy_speed.md"
Cast = Callable[[random.Random, int], Sequence[str]]
STORIES: Mapping[str, Cast] = {
    "random": lambda draw, _: draw.sample([f"c{k}" for k in range(60)], 5),
    "local": lambda draw, shot: ["hero", *draw.sample([f"c{k}" for k in range(5)], 2), f"place {shot // 40}"],
}


class Fixed(ImageTextEncoder):
    """Any text is the same unit vector of length 512; pictures are never encoded, because all are stored."""

    @property
    def dimension(self) -> int:
        """512."""
        return 512

    def encode_images(self, frames: Any) -> NDArray[np.float32]:
        """Never needed."""
        raise AssertionError("every embedding is stored")

    def encode_texts(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the first axis for each text."""
        rows = np.zeros((len(texts), 512), dtype=np.float32)
        rows[:, 0] = 1
        return rows


def story(cast: Cast, count: int) -> Storyboard:
    draw = random.Random(1)
    shots = [
        Shot(prompt="a shot", entities=tuple(cast(draw, k)), cut=k == 0 or draw.random() < 0.7) for k in range(count)
    ]
    names = sorted({entity for shot in shots for entity in shot.entities})
    scenes = tuple(Scene(shots=tuple(shots[k : k + 40])) for k in range(0, count, 40))
    entities = tuple(Entity(id=name) for name in names)
    return Storyboard(StoryScript(title="long", overview="a story", entities=entities, scenes=scenes))


def graph_seconds(host: PluginHost, name: str, board: Storyboard) -> tuple[float, float]:
    """Return CPU seconds to build the graph, and the critical path as a share of the shots."""
    policy: Any = host.build(Kind.MEMORY_POLICY, name, {})
    start = time.process_time()
    graph = build_graph(board, policy, [0 if shot.cut else 1 for shot in board])
    return time.process_time() - start, len(graph.critical_path()) / len(board)


def recall_seconds(host: PluginHost, name: str, board: Storyboard, keyframes: int) -> float:
    """Return CPU seconds of one recall, the fifth, for the story's last shot, if it sees ``keyframes`` keyframes."""
    policy: Any = host.build(Kind.MEMORY_POLICY, name, {})
    each = -(-keyframes // (len(board) - 1))
    found = [
        Keyframe(f"{s.position}.{k}", s.id, s.position, k, Path(), s.entities)
        for s in board.shots[:-1]
        for k in range(each)
    ]
    encoder, store = Fixed(), DictStore()
    vectors = np.random.default_rng(1).normal(size=(len(found), 512)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    store.put_embeddings(encoder.fingerprint(), dict(zip([k.id for k in found], vectors, strict=True)))
    view = MemoryView(board, found[-keyframes:], encoder, store)
    for _ in range(4):
        policy.recall(board.shots[-1], view, 8)
    start = time.process_time()
    policy.recall(board.shots[-1], view, 8)
    return time.process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--shots", type=int, default=10_000)
    parser.add_argument("--keyframes", type=int, default=1_000)
    arguments = parser.parse_args()
    host = PluginHost()
    long = {name: story(cast, arguments.shots) for name, cast in STORIES.items()}
    short = story(STORIES["local"], 400)
    heads = [f"graph, {name} (s) | path" for name in long]
    lines = [
        "# Speed of memory policies",
        "",
        f"Command: `python benchmarks/policy_speed.py --shots {arguments.shots} --keyframes {arguments.keyframes}`",
        "",
        f"Graph of {arguments.shots} shots, and one recall from {arguments.keyframes} keyframes; CPU time of one core.",
        "",
        f"| policy | {' | '.join(heads)} | recall (ms) |",
        "|---|---|---|---|---|---|",
    ]
    for name in host.registry.names(Kind.MEMORY_POLICY):
        cells = [name]
        for board in long.values():
            seconds, path = graph_seconds(host, name, board)
            cells += [f"{seconds:.2f}", f"{path:.3f}"]
        cells.append(f"{1000 * recall_seconds(host, name, short, arguments.keyframes):.1f}")
        lines.append("| " + " | ".join(cells) + " |")
        print(lines[-1])
    OUT.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
