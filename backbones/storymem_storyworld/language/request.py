"""A shot as scripts tell it: its prompt, and the names, kinds and looks of what it shows.

Names become what they name ("Rose" is the girl of her look, not a flower); who, where and how they look that the prompt
does not say is taken from the looks, and where both tell a look the prompt is right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from storymem.interfaces import Subject
from storymem_storyworld.language.looks import colour_word, look_words
from storymem_storyworld.language.understand import Concepts, understand


@dataclass(frozen=True)
class ShotReading:
    """What a shot means.

    Attributes:
        concepts: Of prompt and looks together, completed.
        missing: Names of characters that the shot lists and that no word could be understood for.
        unpainted: Looks that are understood, but that the model was not trained to be told.
    """

    def without_looks(self) -> ShotReading:
        """For a model that takes looks from memory alone: the same shot with nothing told of them."""
        told = [look_words(kind, look) for kind, look in self.concepts.looks.items()]
        told += [f"{colour_word(colour)} {prop}" for prop, colour in self.concepts.prop_colours.items()]
        return replace(self, concepts=replace(self.concepts, looks={}, prop_colours={}), unpainted=tuple(told))

    concepts: Concepts
    missing: tuple[str, ...] = ()
    unpainted: tuple[str, ...] = ()

    def explanation(self) -> str:
        """What the model is told and what it is not, for people."""
        said = [self.concepts.caption() if self.concepts != Concepts().completed() else "nothing of this prompt"]
        if self.concepts.left_out:
            said.append(f"left out: {', '.join(self.concepts.left_out)}")
        if self.unpainted:
            said.append(f"these weights take looks from memory alone, not from: {', '.join(self.unpainted)}")
        if self.missing:
            said.append(f"WARNING: nobody understood for {', '.join(self.missing)} (the embedded model reads English)")
        return "; ".join(said)


def read_shot(prompt: str, subjects: Sequence[Subject]) -> ShotReading:
    """Read a shot; never fails, whatever the text."""
    looks = {subject.name: understand(f"{subject.name}, {subject.look}") for subject in subjects}
    kinds = {name: look.cast[0][0] for name, look in looks.items() if look.cast}
    people = [subject for subject in subjects if subject.kind == "character"]
    found = understand(_unnamed(prompt, people))
    cast = found.cast or tuple((kinds[subject.name], "") for subject in people if subject.name in kinds)[:2]
    told = {kind: found.look_of(kind) for kind, _ in cast}
    for name, kind in kinds.items():
        if kind in told:
            told[kind] = told[kind].completed_by(looks[name].look_of(kind))
    things = {prop: colour for look in looks.values() for prop, colour in look.prop_colours.items()}
    concepts = replace(
        found,
        cast=cast,
        place=found.place or next((look.place for look in looks.values() if look.place), ""),
        looks={kind: look for kind, look in told.items() if look.items()},
        prop_colours={
            prop: colour for prop in found.props if (colour := found.prop_colours.get(prop, things.get(prop)))
        },
    )
    missing = tuple(subject.name for subject in people if subject.name not in kinds and not found.cast)
    return ShotReading(concepts.completed(), missing)


def _unnamed(prompt: str, people: Sequence[Subject]) -> str:
    """The prompt with characters' proper names replaced by what their looks say they are."""
    for subject in people:
        kind = understand(subject.look).cast
        name = subject.name.strip()
        if kind and name and kind[0][0] not in name.lower():
            prompt = re.sub(rf"(?<!\w)(?:the\s+)?{re.escape(name)}(?!\w)", f"the {kind[0][0]}", prompt)
    return prompt
