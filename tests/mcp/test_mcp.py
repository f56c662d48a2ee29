"""``storymem mcp``, driven by the SDK's own client over stdio as an agent would."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("mcp", reason="the extra mcp is not installed")

from mcp import Client, StdioServerParameters
from storymem.plugin import PluginHost
from storymem.settings import Layer, resolve
from storymem_mcp.desk import Desk
from storymem_mcp.folder import Folder, OutsideError
from storymem_mcp.server import build

PROGRAM = Path(sys.executable).with_name("storymem")
STORY = {
    "title": "Fox",
    "entities": [{"id": "fox", "kind": "character", "look": "a red fox"}],
    "scenes": [
        {
            "shots": [
                {"prompt": "A red fox walks through the snow.", "entities": ["fox"]},
                {"prompt": "The fox finds a lantern.", "entities": ["fox"]},
            ]
        }
    ],
}

Agent = Callable[[Client], Awaitable[None]]


def serve(folder: Path, agent: Agent, *options: str) -> None:
    """Let an agent talk to a server of a folder."""
    arguments = ["mcp", str(folder), "--backbone", "animatic", "--set", "frames=5", "--set", "size=320x192", *options]

    async def talk() -> None:
        async with Client(StdioServerParameters(command=str(PROGRAM), args=arguments)) as client:
            await agent(client)

    asyncio.run(talk())


async def call(client: Client, tool: str, **arguments: Any) -> list[Any]:
    """Return the contents of an answer that is no error."""
    answer = await client.call_tool(tool, arguments)
    assert not answer.is_error, answer.content
    return list(answer.content)


async def data(client: Client, tool: str, **arguments: Any) -> Any:
    """Return an answer's data."""
    return json.loads((await call(client, tool, **arguments))[0].text)


async def error(client: Client, tool: str, **arguments: Any) -> str:
    """Return the line of an answer that is an error."""
    answer = await client.call_tool(tool, arguments)
    assert answer.is_error
    content: Any = answer.content[0]
    return str(content.text)


def pictures(contents: list[Any]) -> list[Image.Image]:
    return [Image.open(io.BytesIO(base64.b64decode(c.data))) for c in contents if c.type == "image"]


def test_an_agent_makes_a_film_redoes_a_shot_and_pins_the_better_take(tmp_path: Path) -> None:
    async def agent(client: Client) -> None:
        saved = await data(client, "save_script", script="fox.json", content=STORY)
        assert all(finding["severity"] != "error" for finding in saved["findings"])
        steps: list[tuple[float, float | None]] = []

        async def progress(made: float, shots: float | None, message: str | None) -> None:
            steps.append((made, shots))

        arguments = {"script": "fox.json", "run": "run"}
        made = await client.call_tool("render", arguments, progress_callback=progress)
        assert json.loads(made.content[0].text)["state"] == "finished"  # type: ignore[union-attr]
        assert {shots for _, shots in steps} == {2}
        assert [made for made, _ in steps] == sorted(made for made, _ in steps)

        (sheet,) = pictures(await call(client, "contact_sheet", run="run"))
        assert len(sheet.convert("RGB").getcolors(1 << 24)) > 50
        assert len(pictures(await call(client, "frames", run="run", shot="1.2", count=3))) == 3
        trace = await call(client, "memory_trace", run="run", shot="1.2")
        status = await data(client, "status", run="run")
        recalled = status["shots"][1]["recalled"]
        assert recalled
        assert len(pictures(trace)) == len(recalled)

        again = await data(client, "redo", run="run", shot="1.2", prompt="The fox lifts a lantern, close view.")
        assert again["made"] == 1
        both = await call(client, "takes", run="run", shot="1.2")
        assert "take 2 (in the film)" in both[0].text
        assert len(pictures(both)) == 1
        pinned = await data(client, "pin", run="run", shot="1.2", take=1)
        assert pinned["state"] == "finished"
        status = await data(client, "status", run="run")
        assert (status["shots"][1]["take"], status["shots"][1]["pinned"], status["film"]) == (1, True, True)

        assert (await data(client, "film", run="run"))["missing"] == []
        assert (await data(client, "export", run="run", to="csv", out="cut.csv"))["file"] == "cut.csv"
        assert (await data(client, "evaluate", run="run"))["columns"]

    serve(tmp_path, agent)
    assert (tmp_path / "cut.csv").is_file()


def test_a_render_does_not_block_other_calls_and_can_be_stopped(tmp_path: Path) -> None:
    shots = [{"prompt": f"A fox walks past tree {n}."} for n in range(40)]
    story = {"title": "Long", "scenes": [{"shots": shots}]}

    async def agent(client: Client) -> None:
        await data(client, "save_script", script="long.json", content=story)
        first = await data(client, "render", script="long.json", run="run", wait_seconds=0)
        assert first["state"] == "running"
        assert "is being rendered" in await error(client, "render", script="long.json", run="run")
        assert "findings" in await data(client, "lint", script="long.json")
        assert await data(client, "stop", run="run") == {"stopping": True}
        while (state := (await data(client, "status", run="run"))["render"]["state"]) == "running":
            await asyncio.sleep(0.1)
        assert state == "stopped"

    serve(tmp_path, agent, "--set", "frames=49")


def test_plans_and_says_in_one_line_what_is_wrong(tmp_path: Path) -> None:
    (tmp_path / "work").mkdir()
    (tmp_path / "secret.json").write_text(json.dumps(STORY), "utf-8")
    (tmp_path / "work" / "link.json").symlink_to(tmp_path / "secret.json")

    async def agent(client: Client) -> None:
        planned = await data(client, "plan", idea="A fox finds a lantern in the snow.", shots=3)
        assert sum(len(scene["shots"]) for scene in planned["scenes"]) == 3
        assert "exists" in await error(client, "plan", idea="Another.")
        for outside in ("../secret.json", str(tmp_path / "secret.json"), "link.json", "."):
            assert "below the folder" in await error(client, "read_script", script=outside)
        assert "nothing" in await error(client, "status", run="nothing")
        assert "cannot revise" in await error(client, "revise", script="story.json", request="Make it night.")

    serve(tmp_path / "work", agent)


def test_tools_say_what_they_may_do(tmp_path: Path) -> None:
    async def agent(client: Client) -> None:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        assert all(tool.annotations and tool.description for tool in tools.values())
        changing = {n for n, t in tools.items() if t.annotations and t.annotations.destructive_hint}
        looking = {n for n, t in tools.items() if t.annotations and t.annotations.read_only_hint}
        assert changing == {"save_script", "revise", "redo", "pin"}
        assert looking >= {"status", "contact_sheet", "memory_trace", "frames", "takes", "evaluate", "lint"}
        assert "ctx" not in json.dumps([tool.input_schema for tool in tools.values()])

    async def talk() -> None:
        host = PluginHost()
        desk = Desk(
            Folder(tmp_path), host, resolve([Layer("test", {"backbone": "animatic"})], host.registry), "outline"
        )
        async with Client(build(desk)) as client:
            await agent(client)

    asyncio.run(talk())


@pytest.mark.parametrize("name", ["..", "../x", "/etc/passwd", "", ".", "a/../../x", "a\0b"])
def test_no_path_leads_out_of_the_folder(tmp_path: Path, name: str) -> None:
    with pytest.raises(OutsideError):
        Folder(tmp_path).path(name)


def test_paths_below_the_folder_keep_their_names(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.name(folder.path("films/./fox")) == "films/fox"
