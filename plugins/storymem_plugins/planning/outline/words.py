"""English words by which the outline planner tells characters, places and things apart.

Short lists of common nouns, not a parser: a noun that is not listed becomes an entity only if the story comes
back to it.
"""

from __future__ import annotations


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


CHARACTERS = _set(
    """
    fox wolf dog puppy cat kitten bear rabbit hare owl mouse rat bird crow raven eagle hawk duck goose swan horse
    pony donkey goat sheep lamb cow pig deer squirrel hedgehog badger otter frog turtle fish whale dolphin shark
    octopus lion tiger elephant monkey penguin snail bee butterfly dragon unicorn ghost witch wizard fairy giant
    troll elf mermaid monster alien robot android drone man woman boy girl child baby kid teenager mother father
    grandmother grandfather grandma grandpa sister brother son daughter king queen prince princess knight soldier
    guard sailor captain pirate fisherman farmer baker cook chef painter artist musician singer dancer teacher
    student doctor nurse scientist astronaut pilot driver detective thief spy hunter explorer climber traveller
    traveler merchant librarian gardener potter weaver clockmaker watchmaker blacksmith carpenter monk nun priest
    old-man stranger friend neighbour neighbor widow clown magician puppet scarecrow snowman keeper shepherd
    """
)
PLACES = _set(
    """
    forest wood woods jungle meadow field garden park hill hills mountain mountains valley river lake pond stream
    waterfall sea ocean beach shore coast island desert cave cliff canyon snow ice glacier swamp village town city
    street road alley square market bridge harbour harbor port station train ship boat house home hut cottage cabin
    castle palace tower temple church library school classroom museum theatre theater workshop office factory
    kitchen bedroom room attic cellar hall corridor rooftop roof balcony bar cafe restaurant bakery shop hospital
    prison farm barn mill lighthouse spaceship spacecraft moon planet sky desert orchard vineyard courtyard
    graveyard laboratory observatory greenhouse
    """
)
OBJECTS = _set(
    """
    lantern lamp candle torch key door letter book map mirror clock watch ring crown sword shield box chest bag
    basket suitcase umbrella hat coat scarf kite balloon ball doll toy bicycle bike car cart wagon sledge sled
    camera telescope compass guitar violin piano flute drum bell cup teapot bottle bowl bread cake apple flower
    rose tree seed feather egg stone crystal coin necklace photograph picture painting flag rope ladder boat-model
    statue machine radio telephone phone
    """
)
#: Words that begin a sentence or are otherwise written with a capital without being a name.
NOT_NAMES = _set(
    """
    a an the i he she it they we you his her its their our my your this that these those there here then when
    while where who what why how and but or so yet if as at in on under over by for from to with without after
    before later once now soon suddenly finally meanwhile next one two three each every all some many no not only
    even still again at-last outside inside behind beside above below across along through between perhaps maybe
    yes monday tuesday wednesday thursday friday saturday sunday january february march april may june july
    august september october november december chapter scene act english god mr mrs ms dr sir
    """
)
WOMEN = _set(
    """
    woman girl mother grandmother grandma sister daughter queen princess witch mermaid widow nun lady wife aunt
    women girls bride actress waitress heroine
    """
)
MEN = _set(
    """
    man boy father grandfather grandpa brother son king prince wizard fisherman monk priest gentleman husband uncle
    men boys groom waiter
    """
)
PEOPLE = (
    WOMEN
    | MEN
    | _set(
        """
    child baby kid teenager knight soldier guard sailor captain pirate farmer baker cook chef painter artist musician
    singer dancer teacher student doctor nurse scientist astronaut pilot driver detective thief spy hunter explorer
    climber traveller traveler merchant librarian gardener potter weaver clockmaker watchmaker blacksmith carpenter
    stranger friend neighbour neighbor clown magician keeper shepherd
    """
    )
)
#: Words between a determiner and a noun that end the noun phrase.
NOT_ADJECTIVES = _set(
    "a an the his her their its of in on at to and or with who that by as is was were are had has for into from "
    "named called when while where"
)
#: What follows "it" where it stands for nobody.
IMPERSONAL = _set("is was has had rains rained snows snowed grows grew gets got seems seemed will would takes took")
#: Sentence openings that jump in time, and so open a scene.
TIME_JUMPS = (
    "the next", "the following", "later", "years later", "days later", "weeks later", "months later", "hours later",
    "that night", "that evening", "that morning", "at night", "at dawn", "at dusk", "in the morning",
    "in the evening", "the same night", "one day", "one night", "one morning", "meanwhile", "by morning",
    "by nightfall", "when morning", "when night",
)  # fmt: skip
#: Function words that tell English from German, whose nouns are all written with a capital.
ENGLISH = _set("the a an and of to in is was his her with on at it he she they from into for that by its their")
GERMAN = _set(
    "der die das den dem des ein eine einen einem einer eines und ist im mit auf von zu sich nicht er sie es ins am "
    "aus bei nach vor über unter durch als dann ihr ihre sein seine war zum zur"
)
