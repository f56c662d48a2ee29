"""How much of real scripts the storyworld understands.

    python benchmarks/storyworld_language.py FOLDER [--out benchmarks/results/storyworld_language.md]

FOLDER holds ST-Bench scripts (JSON). For every shot: is a subject, a place and a shot size understood, from its prompt
alone and with what earlier prompts of the story said? Also checks that varied captions of random clips are read back.
"""

from __future__ import annotations

import argparse
import json
import random
from collections import Counter
from pathlib import Path

from storymem_storyworld.language.caption import canonical_caption
from storymem_storyworld.language.lexicon import vocabulary
from storymem_storyworld.language.phrasing import varied_caption
from storymem_storyworld.language.understand import Concepts, understand, understand_story
from storymem_storyworld.world.sample import sample_spec

CAPTIONS = 2000


def story_prompts(file: Path) -> list[str]:
    return [prompt for scene in json.loads(file.read_text())["scenes"] for prompt in scene["video_prompts"]]


def understood(concepts: Concepts) -> dict[str, bool]:
    found = {
        "subject": bool(concepts.cast),
        "place": bool(concepts.place),
        "shot size": bool(concepts.size),
        "motion": bool(concepts.cast and concepts.cast[0][1]),
    }
    return found | {"subject, place and shot size": found["subject"] and found["place"] and found["shot size"]}


def shares(readings: list[Concepts]) -> dict[str, float]:
    counts: Counter[str] = Counter()
    for concepts in readings:
        counts.update({name: int(yes) for name, yes in understood(concepts).items()})
    return {name: count / len(readings) for name, count in counts.items()}


def read_back(count: int) -> float:
    rng = random.Random(1)
    specs = [sample_spec(rng) for _ in range(count)]
    return sum(understand(varied_caption(s, rng)).caption() == canonical_caption(s) for s in specs) / count


def report(folder: Path) -> str:
    stories = [story_prompts(file) for file in sorted(folder.glob("*.json"))]
    alone = shares([understand(prompt) for story in stories for prompt in story])
    in_story = shares([concepts for story in stories for concepts in understand_story(story)])
    lines = [
        "# What the storyworld understands of real scripts",
        "",
        f"ST-Bench, {len(stories)} stories, {sum(map(len, stories))} shots; the lexicon has {len(vocabulary())} words",
        "and phrases. Understood means that some concept was found, not that it is the best one: the world has 13",
        "kinds of characters and 13 kinds of places.",
        "",
        "| share of shots | prompt alone | with earlier prompts |",
        "|---|---|---|",
        *(f"| {name} | {alone[name]:.1%} | {in_story[name]:.1%} |" for name in alone),
        "",
        f"Varied captions of {CAPTIONS} random clips read back exactly: {read_back(CAPTIONS):.1%}.",
        "",
        "Command: `python benchmarks/storyworld_language.py FOLDER`",
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--out", type=Path, default=Path(__file__).parent / "results" / "storyworld_language.md")
    arguments = parser.parse_args()
    text = report(arguments.folder)
    arguments.out.write_text(text)
    print(text)


if __name__ == "__main__":
    main()
