"""Draws the reference pictures of the stories beside it: each character as its look tells, as the storyworld is drawn.

Run from anywhere: ``python examples/stories/draw_references.py``. It writes the pictures in ``references/``. The
embedded model takes looks from pictures and not from words, and reads pictures of its own world alone. What a look does
not tell, such as the colour of somebody's hair, is drawn by lot, from the character's name.
"""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

from PIL import Image

from storymem.plugin import PluginHost
from storymem.script.loader import load_script
from storymem.values.script import Entity, EntityKind
from storymem_storyworld.draw.render import HEIGHT, WIDTH, as_bytes, render
from storymem_storyworld.language.looks import ToldLook
from storymem_storyworld.language.understand import understand
from storymem_storyworld.world.colours import COLOURS
from storymem_storyworld.world.sample import sample_look
from storymem_storyworld.world.spec import PEOPLE, Actor, ClipSpec, Look, Setting

FOLDER = Path(__file__).parent
STORIES = ("fox_and_lantern.json", "two_kites.json", "robot_librarian.json", "desert_case.json", "beach_letter.yaml")
MEADOW = Setting("meadow", palette=(0.4, 0.4), layout=0.3)


def drawn_look(kind: str, told: ToldLook, name: str) -> Look:
    """Return a look with everything that is told, and no hat, scarf, pattern or animal's clothes that are not."""
    free = sample_look(random.Random(name), kind)
    coat, worn = COLOURS.get(told.coat, free.coat), told.scarf == "worn"
    return replace(
        free,
        coat=coat,
        outfit=COLOURS.get(told.outfit, free.outfit if kind in PEOPLE else coat),
        pattern=told.pattern or "plain",
        hat=told.hat or "none",
        hat_colour=COLOURS.get(told.hat_colour, free.hat_colour),
        scarf=worn,
        scarf_colour=COLOURS.get(told.scarf_colour, free.scarf_colour),
    )


def picture_of(entity: Entity) -> ClipSpec:
    """Return the picture of a character or of a meadow."""
    if entity.kind is not EntityKind.CHARACTER:
        return ClipSpec(MEADOW, (), size="wide")
    read = understand(f"{entity.label}, {entity.look}")
    kind = read.cast[0][0]
    return ClipSpec(MEADOW, (Actor(drawn_look(kind, read.look_of(kind), entity.id)),))


def main() -> None:
    """Write all pictures that the stories refer to."""
    host = PluginHost()
    wanted = {
        name: picture_of(entity)
        for story in STORIES
        for entity in load_script(FOLDER / story, host).entities
        for name in entity.references
    }
    (FOLDER / "references").mkdir(exist_ok=True)
    pictures = as_bytes(render(list(wanted.values()), frames=1, height=HEIGHT, width=WIDTH)[:, 0])
    for name, picture in zip(wanted, pictures.permute(0, 2, 3, 1).numpy(), strict=True):
        Image.fromarray(picture).save(FOLDER / name, optimize=True)


if __name__ == "__main__":
    main()
