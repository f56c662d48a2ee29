"""``storymem entities``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo, next_step

if TYPE_CHECKING:
    from storymem.plugin import PluginHost
    from storymem.values.script import StoryScript

REQUEST = (
    "List every character, place and object that appears in more than one shot as an entity with its look, and list in "
    "every shot the entities it shows. Change no prompt."
)


def entities(
    script: Annotated[Path, typer.Argument(help="Story script of any known form.")],
    out: Annotated[Path, typer.Option("--out", "-o", help="Script to write.")],
    planner: Annotated[
        str | None, typer.Option(help="Planner that reads the prompts; without one, names and tags count.")
    ] = None,
    planner_set: Annotated[
        list[str] | None, typer.Option("--planner-set", metavar="KEY=VALUE", help="A setting of the planner.")
    ] = None,
    force: options.Force = False,
    plugin: options.PluginFiles = None,
) -> None:
    """Add entities to a script that lists none, so that memory knows who and what each shot shows."""
    from storymem.plugin import PluginHost
    from storymem.script import services
    from storymem.script.writing import check_free, check_suffix, write_script

    check_suffix(out)
    check_free(out, force=force)
    host = PluginHost(plugin or [])
    story = services.rebased(services.read_script(script, host)[1], script.parent, out.parent)
    made = _asked(story, planner, planner_set, host) if planner else _found(story, script)
    write_script(out, made)
    echo(f"{out}: {', '.join(entity.label for entity in made.entities)}")
    next_step("storymem lint", out)


def _found(story: StoryScript, source: Path) -> StoryScript:
    from storymem.errors import ScriptError
    from storymem.script.cast import with_found_entities

    made = with_found_entities(story)
    if not made.entities:
        raise ScriptError(
            f"{source}: no name or [tag] recurs in its prompts; write them yourself, or give a --planner that can"
        )
    return made


def _asked(story: StoryScript, planner: str, settings: list[str] | None, host: PluginHost) -> StoryScript:
    from storymem.cli.plan import plugin_settings
    from storymem.script import services

    return services.revise(story, REQUEST, planner, plugin_settings(settings), host, lambda line: echo(line, err=True))
