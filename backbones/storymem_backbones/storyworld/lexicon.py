"""The words of the storyworld: which words and phrases mean which concept.

The world knows few concepts and many words for them. A word that is not listed means nothing here and is ignored. Some
choices are simplifications: there is no "person" kind, so words for people of any sex are shared out between man and
woman, wolves are foxes, and whoever runs, walks. Knows nothing about sentences (`understand.py`).
"""

from __future__ import annotations

NOUNS: dict[str, str] = {
    "fox": "fox|vixen|wolf|coyote|jackal|wolves|foxes",
    "cat": "cat|kitten|kitty|feline|tabby|lion|lioness|tiger|leopard|panther|lynx|cheetah|jaguar|lion cub|tiger cub",
    "dog": "dog|puppy|puppies|pup|hound|doggy|canine|terrier|corgi|husky|retriever|labrador|poodle|beagle|shepherd dog"
    "|sheepdog|dachshund|bulldog|spaniel|collie|horse|pony|donkey|deer|fawn|stallion|goat|sheep|lamb|cow|pig|zebra|llama",
    "bear": "bear|teddy|panda|grizzly|koala|teddy bear|polar bear|bear cub|gorilla|ape|elephant|hippo|ox|bull|buffalo|monster",
    "rabbit": "rabbit|bunny|bunnies|hare|kangaroo",
    "owl": "owl|bird|owlet|eagle|parrot|sparrow|penguin|duck|chicken|rooster|hawk|falcon|pigeon|robin|raven|crow|goose"
    "|swan|dove|seagull|hen|turkey",
    "mouse": "mouse|mice|rat|hamster|squirrel|hedgehog|chipmunk|monkey|mole|otter|beaver|raccoon|badger|gerbil",
    "man": "man|men|male|gentleman|guy|father|dad|husband|businessman|fisherman|soldier|worker|farmer|sailor|pilot|driver"
    "|chef|cook|knight|king|prince|explorer|astronaut|detective|engineer|hunter|cowboy|warrior|captain|guard|officer"
    "|builder|blacksmith|carpenter|mechanic|fireman|firefighter|policeman|waiter|actor|hero|uncle|brother|adult|samurai"
    "|ninja|pirate|merchant|musician|guitarist|pianist|drummer|climber|hiker|runner|athlete|adventurer|archaeologist"
    "|person|stranger|traveler|traveller|figure|protagonist|passenger|boxer|player|coach|lawyer|sculptor|barista|skier"
    "|diver|surfer|biker|cyclist|courier|thief|spy|agent|mr|sir|craftsman|bartender|scholar|commander|rider",
    "woman": "woman|women|female|lady|ladies|mother|mom|mum|wife|queen|princess|actress|waitress|bride|artist|painter"
    "|teacher|nurse|doctor|scientist|dancer|ballerina|singer|photographer|librarian|writer|journalist|reporter|witch"
    "|businesswoman|heroine|goddess|aunt|sister|baker|florist|gardener|researcher|biologist|designer|ms|mrs|miss|madam"
    "|maid|maiden|mermaid|fairy|violinist|student|poet|geisha|tourist|visitor|patient|botanist|weaver",
    "boy": "boy|son|lad|kid|toddler|schoolboy|teenager|teen|child|children|youth|youngster|baby|infant|nephew|brothers"
    "|young boy|little boy|teenage boy|apprentice|friend|wizard boy|elf",
    "girl": "girl|daughter|schoolgirl|niece|young girl|little girl|teenage girl|sisters|granddaughter|lass",
    "elder": "elder|old man|elderly man|grandfather|grandpa|old woman|elderly woman|grandmother|grandma|wizard|sage|monk"
    "|priest|hermit|senior|elderly couple|old fisherman|old sailor|professor|santa|elders|older man|older woman|grandson"
    "|aged man|gray-haired man|grey-haired man|white-haired man|bearded man|elderly|old master|headmaster|emperor",
    "robot": "robot|android|droid|cyborg|automaton|machine|mech|bot|humanoid|drone|spacesuit|alien",
    "forest": "forest|wood|woods|woodland|jungle|grove|rainforest|trees|thicket|swamp|woodlands|tree|bamboo|foliage"
    "|undergrowth",
    "meadow": "meadow|field|grass|grassland|prairie|pasture|hill|hillside|hills|garden|park|lawn|farm|orchard|savanna"
    "|valley|plain|plains|flowerbed|farmland|countryside|grassy|riverbank|stream|river|lake|pond|vineyard|backyard|yard"
    "|stadium|playground|campsite|racetrack|battlefield|lakeside",
    "beach": "beach|sea|ocean|shore|coast|seaside|coastline|sand|sandy|island|ocean waves|crashing waves|rolling waves|harbor|harbour|pier|dock|bay|lighthouse"
    "|seashore|coastal|boat|ship|deck|underwater|reef|port|lagoon|sail|yacht|tide|shoreline",
    "mountain": "mountain|mountains|peak|summit|cliff|snow|snowy|glacier|ridge|alps|ice|icy|canyon|rock|rocky|cave|ravine"
    "|mountainside|slope|tundra|arctic|antarctic|volcano|avalanche|crevasse|boulder|alpine|blizzard|cavern",
    "desert": "desert|dune|dunes|wasteland|sahara|cactus|oasis|pyramid|pyramids|mars|moon surface|lunar surface|lunar"
    "|martian|barren|ruins|badlands|arid|crater|dusty plain",
    "city": "city|street|town square|road|downtown|skyline|building|buildings|avenue|alley|sidewalk|pavement|urban|traffic"
    "|skyscraper|rooftop|highway|bridge|cityscape|boulevard|metropolis|plaza|crosswalk|bus stop|station|subway|crowd"
    "|storefront|parking lot|tokyo|new york|paris|london|neon|square|alleyway|intersection|bus|taxi|train|car|mall",
    "village": "village|town|cottage|house|houses|barn|hut|cabin|farmhouse|neighborhood|neighbourhood|market|fence|porch"
    "|roof|marketplace|courtyard|windmill|hamlet|bazaar|tent|camp|shrine|suburb|doorstep|stall|pavilion|gate|bench",
    "kitchen": "kitchen|stove|oven|counter|restaurant|cafe|café|diner|bakery|bar|pantry|countertop|coffee shop|sink|fridge"
    "|cutting board|dining table|pub|tavern|canteen|cafeteria|teahouse|coffeehouse|dining hall",
    "bedroom": "bedroom|bed|pillow|blanket|dorm|hotel room|hospital|hospital room|nursery|bunk|mattress|attic|bedside"
    "|ward|bathroom|dressing room",
    "library": "library|bookshelf|bookshelves|bookshop|bookstore|books|study room|classroom|school|archive|shelves|museum"
    "|office|desk|laboratory|lab|lecture hall|courtroom|gallery|workshop|bookcase|workbench|newsroom|academy|chalkboard",
    "living_room": "living room|lounge|sofa|couch|apartment|room|fireplace|parlor|parlour|home|armchair|interior|studio"
    "|loft|hallway|corridor|theater|theatre|stage|ballroom|gym|salon|lobby|indoors|indoor|curtain|dojo|boutique|doorway"
    "|auditorium|foyer|atelier|living space",
    "castle": "castle|palace|throne|throne room|hall|dungeon|temple|church|cathedral|fortress|tower|monastery|tomb|vault"
    "|chamber|stone wall|stone walls|great hall|crypt|stone corridor|battlements|abbey|mansion|sanctuary|arena|labyrinth",
    "spaceship": "spaceship|spacecraft|space station|cockpit|shuttle|rocket|starship|capsule|bridge of the ship|airlock"
    "|space|control room|submarine|control panel|console|cabin of the ship|hangar|engine room|command center|orbit"
    "|space module|galaxy|elevator|bunker|server room|factory|plane|airplane|aircraft",
    "ball": "ball|football|basketball|orb|globe|sphere|soccer ball|tennis ball|baseball|crystal ball|apple|pumpkin",
    "balloon": "balloon|kite|lollipop",
    "crate": "crate|box|chest|suitcase|package|parcel|basket|trunk|toolbox|backpack|bag|gift|present|barrel|bucket",
    "lantern": "lantern|lamp|candle|torch|flashlight|candlestick|lamps|candles|torches|streetlamp",
    "flower": "flower|rose|tulip|sunflower|bouquet|daisy|lily|blossom|petal|blossoms|orchid|potted plant|plant|seedling",
    "stool": "stool|chair|seat|table|easel|wheelchair|footstool|rocking chair",
}

VERBS: dict[str, str] = {
    "stand": "stand|look|watch|gaze|stare|study|examine|observe|wait|pause|rest|remain|hold|see|inspect|lean|pose"
    "|freeze|stop|hesitate|contemplate|read|admire|notice|listen|smile|hide|peer|glance|grip|clutch|linger|scan|breathe",
    "walk": "walk|run|stroll|march|wander|step|approach|stride|pace|hurry|rush|dash|follow|chase|race|gallop|trot|arrive"
    "|enter|leave|flee|climb|travel|crawl|move|go|come|cross|return|sprint|hike|exit|trudge|roam|sneak|jog|creep"
    "|advance|swim|escape|ride|drive|sail|fly|descend|ascend|glide|stumble|tiptoe|explore|emerge|drift|charge|stagger",
    "jump": "jump|leap|hop|bounce|skip|vault|pounce|dive",
    "wave": "wave|greet|point|gesture|reach|beckon|salute|paint|write|draw|throw|knock|offer|show|touch|grab|lift"
    "|pour|stir|open|pick|give|mix|adjust|press|pull|push|wipe|toss|catch|hug|embrace|fight|swing|strike|wield",
    "nod": "nod|bow|agree|talk|speak|say|whisper|explain|eat|drink|think|tell|cry|weep|sing|sigh|reply|answer|ask|sip"
    "|taste|sniff|murmur|sob|frown|blink|concentrate|sleep|yawn|chat|discuss|converse|argue|pray",
    "dance": "dance|sway|twirl|spin|swirl|pirouette|waltz|shake|shiver|tremble|wobble|play|perform|rotate|turn",
    "cheer": "cheer|celebrate|clap|applaud|shout|laugh|rejoice|triumph|raise|exclaim|scream|yell|stretch|gasp|giggle",
    "sit": "sit|kneel|crouch|squat|relax|recline|settle|slump|perch|meditate|lie|collapse",
}

PHRASES: dict[str, str] = {
    "close_up": "extreme close-up|extreme close up|medium close-up|medium close up|close-up|close up|closeup|close-ups"
    "|closeups|macro|macro shot|tight shot|tight framing|headshot|head shot|detail shot|portrait shot|insert shot|close shot"
    "|close on|tight on|extreme closeup|medium closeup|tight close|close view|close portrait|up close|face fills the frame",
    "medium": "medium shot|mid shot|mid-shot|midshot|medium full shot|cowboy shot|american shot|medium two-shot|two-shot"
    "|two shot|waist-up|waist up|over-the-shoulder|over the shoulder|medium view|medium tracking shot|medium framing"
    "|half-body|half body|medium angle|medium profile shot|medium group shot|eye-level shot|eye level shot|profile shot"
    "|side shot|side profile|medium static shot|low-angle shot|low angle shot|tracking shot|pov shot|medium",
    "wide": "wide shot|wide-angle|wide angle|long shot|full shot|establishing shot|establishing|aerial|aerial shot|panorama"
    "|panoramic|full body|full-body|medium wide shot|medium-wide shot|medium-wide|medium wide|medium long shot|overhead shot"
    "|extreme wide shot|extreme long shot|bird's-eye|bird's eye|birds-eye|drone shot|wide view|wide static shot|wide|long view"
    "|wide tracking shot|full view|full length|group shot|high-angle shot|high angle shot|high-angle|distant view|overhead"
    "|crane shot|top-down|top down",
    "day": "day|daylight|daytime|morning|noon|midday|afternoon|sunny|sunlit|sunlight|by day|blue sky|sunshine|midmorning|broad daylight",
    "sunset": "sunset|dusk|dawn|sunrise|golden hour|twilight|evening|golden light|at sunset|setting sun|amber light|sundown"
    "|early morning light|rising sun|warm glow",
    "night": "night|midnight|moonlit|moonlight|moon|starry|stars|nighttime|nocturnal|at night|darkness|night sky|starlight"
    "|candlelit|dimly lit|candlelight|neon-lit|late night|nightfall",
    "pan_left": "pan left|pans left|panning left|pan to the left|pans to the left|camera moves left|camera slides left",
    "pan_right": "pan right|pans right|panning right|pan to the right|pans to the right|camera moves right"
    "|camera slides right|camera pans|pan across|pans across|slow pan|panning shot",
    "nod": "tilts her head|tilts his head|shakes his head|shakes her head|bows his head|bows her head|nods",
    "cheer": "raises his arms|raises her arms|raises both arms|throws his arms up|arms raised|pumps his fist|throws her arms up",
    "wave": "waves goodbye|waves hello|raises a hand|raises his hand|raises her hand|waving|hello|goodbye",
    "stand": "stock-still|stands still|motionless|frozen in place|standing",
    "sit": "seated|sitting|sits down|sat|on his knees|on her knees|knelt|cross-legged|asleep|curled up|lying",
    "she": "she|her|hers|herself|woman's|girlfriend",
    "he": "he|him|his|himself|boyfriend",
}

IGNORED = (  # words of film and of light that would otherwise be read as places or things
    "depth of field|field of view|point of view|camera moves|camera movement|camera move|motion blur|ground level|sea of"
    "|steps back from|light falls|handheld|foreground|wave of|waves of|ring of light|soft light|moves through the frame"
    "|in the distance|paint-splattered|still life|sea green|sky blue|home row|light plays|stop motion|slow motion"
)
LEFT = "left|leftward|leftwards|to the left|toward the left|towards the left|to his left|to her left"
IRREGULAR: dict[str, str] = {
    "run": "ran|running|runs", "stand": "stood", "leave": "left the|leaving|leaves the", "go": "went|goes|going",
    "come": "came|coming", "swim": "swimming|swam", "sit": "sitting", "spin": "spinning|spun", "fly": "flies|flew",
    "ride": "rode|riding", "drive": "drove|driving", "speak": "spoke", "say": "said", "think": "thought",
    "eat": "ate", "drink": "drank", "sing": "sang", "lie": "lay", "hold": "held", "see": "saw|sees|seeing",
    "grip": "gripping|gripped", "grab": "grabbing|grabbed", "hug": "hugging|hugged", "throw": "threw|thrown",
    "write": "wrote|writing|written", "draw": "drew|drawn", "hop": "hopping|hopped", "skip": "skipping|skipped",
    "nod": "nodding|nodded", "sip": "sipping|sipped", "clap": "clapping|clapped", "jog": "jogging|jogged",
    "stop": "stopping|stopped", "step": "stepping|stepped", "sob": "sobbing", "chat": "chatting", "squat": "squatting",
    "trot": "trotting|trotted", "scan": "scanning|scanned", "shake": "shaking|shook", "creep": "crept",
    "give": "gave|giving|given", "tell": "told|telling", "fight": "fought", "catch": "caught", "swing": "swung",
    "strike": "striking|struck", "sleep": "slept", "weep": "wept", "slump": "slumped", "kneel": "knelt",
}  # fmt: skip
_VOWELS = "aeiou"


def plural_forms(noun: str) -> list[str]:
    """A noun phrase and its plural."""
    if noun.endswith("s"):
        return [noun]
    if noun.endswith(("x", "ch", "sh")):
        return [noun, noun + "es"]
    if noun.endswith("y") and noun[-2] not in _VOWELS:
        return [noun, noun[:-1] + "ies"]
    return [noun, noun + "s"]


def verb_forms(verb: str) -> list[str]:
    """A verb and its regular and listed irregular forms."""
    stem = verb.removesuffix("e")
    third = verb + ("es" if verb.endswith(("ch", "sh", "ss", "x", "o")) else "s")
    forms = [verb, third, stem + "ing", stem + "ed"]
    if verb.endswith("y") and verb[-2] not in _VOWELS:
        forms = [verb, verb[:-1] + "ies", verb + "ing", verb[:-1] + "ied"]
    return forms + [form for form in IRREGULAR.get(verb, "").split("|") if form]


def nouns(concept: str) -> list[str]:
    """All noun phrases of a concept, with plurals."""
    return [form for noun in NOUNS.get(concept, "").split("|") if noun for form in plural_forms(noun)]


def verbs(motion: str) -> list[str]:
    """All verb forms of a motion ("walk" stands for both directions)."""
    return [form for verb in VERBS.get(motion, "").split("|") if verb for form in verb_forms(verb)]


def phrases(concept: str) -> list[str]:
    """All fixed phrases of a concept."""
    return [phrase for phrase in PHRASES.get(concept, "").split("|") if phrase]


def vocabulary_size() -> int:
    """How many different words and phrases mean something."""
    known = {form for concept in NOUNS for form in nouns(concept)}
    known |= {form for motion in VERBS for form in verbs(motion)}
    return len(known | {form for concept in PHRASES for form in phrases(concept)})
