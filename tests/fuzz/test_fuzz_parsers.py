"""Every parser of outside text and files against mutated and random input, within limits of time and memory.

An input is read or refused with one line. It may take two seconds of this process's own processor time, which other
processes cannot use up, and 1 GiB of new memory: far above what any needs, far below what a quadratic parser or a
bomb takes. ``TEST_STORYMEM_FUZZ_EXAMPLES`` sets the number of inputs of each test, for longer runs.
"""

from __future__ import annotations

import io
import json
import os
import resource
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tomli_w
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from storymem.errors import StoryMemError
from storymem.film.names import safe_title
from storymem.media.images import FORMATS, read_reference
from storymem.plugin import PluginHost
from storymem.script.lint import lint
from storymem.script.loader import load_script
from storymem.settings import resolve
from storymem.settings.sources import assignments_layer, environment_layer, file_layer
from storymem.text import one_line, printable, xml_text
from storymem_plugins.planning.answers import outline_answer, schema_of
from storymem_plugins.planning.outline import Outline
from storymem_plugins.planning.repairing import Unclear, read_answer
from storymem_plugins.planning.settings import ModelPlannerSettings

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="limits are set as Linux knows them")
SECONDS, BYTES = 2.0, 2**30
fuzz = settings(
    max_examples=int(os.environ.get("TEST_STORYMEM_FUZZ_EXAMPLES", "60")),
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


class TooSlow(BaseException):
    """An input took too long; no parser's own handling of errors catches it."""


@contextmanager
def limits() -> Iterator[None]:
    def stop(*_: object) -> None:
        raise TooSlow

    used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    before = resource.getrlimit(resource.RLIMIT_AS)
    handler = signal.signal(signal.SIGVTALRM, stop)
    resource.setrlimit(resource.RLIMIT_AS, (used + BYTES, before[1]))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, before)
        signal.signal(signal.SIGVTALRM, handler)


def reads(parse: Callable[[], object], *expected: type[Exception]) -> None:
    """Call a parser within the limits; what it may raise is one line."""
    with limits():
        try:
            parse()
        except (StoryMemError, *expected) as refused:
            message = str(refused)
        else:
            return
    assert "\n" not in message


GOOD: list[Any] = [
    {
        "title": "Two",
        "entities": [{"id": "fox", "look": "red fox", "references": ["a.png"]}],
        "scenes": [{"shots": [{"prompt": "A fox.", "entities": ["fox"], "seed": 1}, {"prompt": "B", "cut": False}]}],
    },
    {
        "story_name": "S",
        "scenes": [{"scene_num": 1, "video_prompts": ["[Person A] x", "b"], "cut": [True, "False"]}],
        "entity_schedule": {"1:1": {"characters": ["Fox"]}},
        "entity_descriptions": {"Object 1": {"name": "Fox", "description": "red"}},
    },
    {"story_name": "M", "reconstruct_target": "[Person A] tall", "scenes": [{"video_prompts": ["a"], "cut": [1]}]},
    {"story_overview": "", "scenes": [{"shots": [{"shot_id": 1, "first_frame": "A", "video_prompt": "B"}]}]},
    {"Characters": {"Fox": {"name_en": "Fox"}}, "Shots": [{"index": 1, "Static Shot Description": {"en": "x"}}]},
    {"global_caption": "[character1], a fox", "shot_captions": ["a", "b"], "shot_cut_frames": [40]},
    [{"prompts": ["a", "b"]}],
    ["a", {"prompt": "b", "cut": "yes"}],
]
TEXTS = [
    "[/duration=5s,/new_shot] a\n[/load_mem=x] b",
    "[global caption] a [per shot caption] b [shot cut] c",
    "1. a\n2. b",
]
WRITERS: dict[str, Callable[[Any], str]] = {
    ".json": json.dumps,
    ".json5": lambda data: json.dumps(data, indent=1).replace("}", ",}", 1),
    ".jsonl": lambda data: "\n".join(map(json.dumps, data if isinstance(data, list) else [data])),
    ".yaml": yaml.safe_dump,
    ".toml": lambda data: tomli_w.dumps(data if isinstance(data, dict) else {"scenes": data}),
    ".txt": lambda data: json.dumps(data),
}
_MARKS = "{ } [ ] \" ' : , \\ # \"\"\" ''' [[ /* // | ? - --- %TAG &a *a !!x <<: a. \\ud800 1e999 null".split()  # noqa: SIM905
_pieces = st.sampled_from([*_MARKS, "\n", "- ", "9" * 400, "\0", "\x1b[31m", "\u202e", "\ufeff", "e\u0301"])
_value = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just([]) | st.just({})


@st.composite
def mutated(draw: st.DrawFn, source: str) -> str:
    """A text with pieces put in, cut out, or repeated many times."""
    text = source
    for _ in range(draw(st.integers(1, 4))):
        at = draw(st.integers(0, len(text)))
        until = draw(st.integers(at, min(len(text), at + 20)))
        piece = draw(_pieces | st.text(max_size=6) | st.just(text[at:until])) * draw(
            st.sampled_from([0, 1, 1, 3, 2000])
        )
        text = text[:at] + piece + text[until:]
    return text


@st.composite
def changed(draw: st.DrawFn) -> Any:
    """A good script's data with values replaced, at any depth."""
    data = json.loads(json.dumps(draw(st.sampled_from(GOOD))))
    for _ in range(draw(st.integers(1, 3))):
        at, places = data, []
        stack = [data]
        while stack:
            at = stack.pop()
            keys = list(at) if isinstance(at, dict) else range(len(at)) if isinstance(at, list) else ()
            places += [(at, key) for key in keys]
            stack += [at[key] for key in keys]
        if places:
            container, key = draw(st.sampled_from(places))
            container[key] = draw(_value)
    return data


@pytest.fixture(scope="module")
def host() -> PluginHost:
    return PluginHost()


@pytest.mark.parametrize("suffix", WRITERS)
@fuzz
@given(data=st.data())
def test_script_files(tmp_path: Path, host: PluginHost, suffix: str, data: st.DataObject) -> None:
    path = tmp_path / f"story{suffix}"
    good = data.draw(st.sampled_from([*GOOD, *TEXTS]))
    source = good if isinstance(good, str) else WRITERS[suffix](good)
    path.write_bytes(data.draw(mutated(source)).encode("utf-8", "surrogatepass"))
    reads(lambda: lint(load_script(path, host), 8, base=tmp_path))


@fuzz
@given(data=changed())
def test_script_data(tmp_path: Path, host: PluginHost, data: Any) -> None:
    path = tmp_path / "story.json"
    path.write_text(json.dumps(data))
    reads(lambda: lint(load_script(path, host), 8, base=tmp_path))


@fuzz
@given(content=st.binary(max_size=400), suffix=st.sampled_from([*WRITERS, ".yml"]))
def test_random_bytes(tmp_path: Path, host: PluginHost, content: bytes, suffix: str) -> None:
    path = tmp_path / f"story{suffix}"
    path.write_bytes(content)
    reads(lambda: load_script(path, host))


@fuzz
@given(
    text=mutated('budget = 4\nsize = "832x480"\nseed = 3\n[backbone]\nname = "tiny"\n'), assignment=st.text(max_size=60)
)
def test_settings(tmp_path: Path, host: PluginHost, text: str, assignment: str) -> None:
    path = tmp_path / "storymem.toml"
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    reads(lambda: resolve([file_layer(path)], host.registry))
    reads(lambda: resolve([assignments_layer("command line", [assignment])], host.registry))
    reads(
        lambda: resolve([environment_layer({"STORYMEM_SIZE": assignment, "STORYMEM_SEED": assignment})], host.registry)
    )


ANSWER = json.dumps(
    {"title": "T", "overview": "A fox walks.", "entities": [{"name": "Fox", "kind": "character", "look": "red fox"}],
     "scenes": [{"title": "A", "setting": "a wood", "summary": "A fox walks by."}]}
)  # fmt: skip


@fuzz
@given(text=mutated(ANSWER) | mutated(f"<think>x</think>```json\n{ANSWER}\n```") | mutated(json.dumps(ANSWER)))
def test_answers_of_models(text: str) -> None:
    schema = schema_of(outline_answer(ModelPlannerSettings(), 3))
    reads(lambda: read_answer(text, schema), Unclear)


@fuzz
@given(
    text=mutated(
        'The Fox\n\nA fox named Mira finds a lantern, and carries it home. "Hi", said he.\n\n***\n\nShe waits.'
    )
)
def test_briefs(text: str) -> None:
    from storymem.interfaces import Brief

    reads(lambda: Outline().plan(Brief(text.encode(errors="replace").decode(), 4), lambda line: None))


def pictures() -> dict[str, bytes]:
    found = {}
    for form in FORMATS:
        buffer = io.BytesIO()
        Image.effect_noise((24, 16), 60).convert("RGB").save(buffer, form)
        found[form] = buffer.getvalue()
    return found


PICTURES = pictures()


@pytest.mark.parametrize("form", FORMATS)
@fuzz
@given(data=st.data())
def test_pictures(tmp_path: Path, form: str, data: st.DataObject) -> None:
    content = bytearray(PICTURES[form])
    for _ in range(data.draw(st.integers(1, 6))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "fox.png"
    path.write_bytes(bytes(content[: data.draw(st.integers(1, len(content)))]))
    reads(lambda: read_reference(path))


@fuzz
@given(text=mutated("\x1b]0;title\x07\x1b[31mred\x1b[0m plain \x9b1m"))
def test_texts_for_terminals_and_files(text: str) -> None:
    with limits():
        assert not set(printable(text)) & {"\x1b", "\x9b", "\x07", "\x08", "\r", "\u202e"}
        assert "\n" not in one_line(text)
        xml_text(text).encode()
        safe_title(text).encode()
