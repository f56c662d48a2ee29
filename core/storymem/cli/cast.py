"""``storymem cast``: the library of entities that several stories share."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

if TYPE_CHECKING:
    from storymem.memory.library import CastLibrary, CastMember
    from storymem.plugin import PluginHost

app = typer.Typer(help="Entities that several stories share: looks, portraits, keyframes.", no_args_is_help=True)
Library = Annotated[Path | None, typer.Option("--library", help="The library; the setting library, or cast.")]
Entity = Annotated[str, typer.Argument(help="Entity, by its id or name.")]
_FOLDER = Path("cast")


@app.command()
def add(
    entity: Entity,
    pictures: Annotated[list[Path] | None, typer.Argument(help="Picture files that show it.")] = None,
    kind: Annotated[str, typer.Option(help="character, place, object or style; character if not given.")] = "",
    name: Annotated[str, typer.Option(help="As stories write it; the id if not given.")] = "",
    look: Annotated[str, typer.Option(help="What it looks like, for stories that do not say.")] = "",
    library: Library = None,
    config: options.Config = None,
    assign: options.Set = None,
) -> None:
    """Add an entity, or change one and add pictures to it."""
    from pydantic import ValidationError

    from storymem.errors import SettingsError
    from storymem.memory.library import CastMember, read_pictures
    from storymem.plugin import PluginHost
    from storymem.validation import describe

    opened = _opened(library, PluginHost(), config, assign)
    known = opened.members.get(entity)
    said = {"id": entity, "kind": kind, "name": name, "look": look}
    before = known.model_dump(mode="json") if known else {}
    try:
        member = CastMember.model_validate({**before, **{k: v for k, v in said.items() if v}})
    except ValidationError as error:
        raise SettingsError(f"cast add {entity}: {describe(error)}") from error
    count = opened.add(member, read_pictures(pictures or []))
    echo(f"{opened.folder}: {entity} has {count} pictures; use it with --set library={opened.folder}")


@app.command("list")
def list_(library: Library = None, as_json: options.Json = False) -> None:
    """List the entities of the library."""
    from storymem.cli.terminal import print_json

    opened = _opened(library)
    rows = [
        {**member.model_dump(mode="json"), "pictures": len(opened.pictures(member.id))}
        for member in opened.members.values()
    ]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        echo(f"{row['id']:<20} {row['kind']:<10} {row['pictures']:>3} pictures  {row['look']}".rstrip())
    if not rows:
        echo(f"{opened.folder}: is empty; storymem cast add NAME PICTURE...")


@app.command()
def show(entity: Entity, library: Library = None, as_json: options.Json = False) -> None:
    """Show one entity: its look, and the files of its pictures with their scores."""
    from storymem.cli.terminal import print_json

    opened = _opened(library)
    member = _member(opened, entity)
    found = [(str(k.file.path), dict(k.scores)) for k in opened.pictures(member.id) if k.file]
    if as_json:
        print_json({**member.model_dump(mode="json"), "pictures": [{"file": f, "scores": s} for f, s in found]})
        return
    echo(f"{member.id} ({member.kind}): {member.look or 'no look'}")
    for file, scores in found:
        echo(f"  {file}  {', '.join(f'{name} {score:.3g}' for name, score in scores.items())}".rstrip())


@app.command()
def remove(entity: Entity, library: Library = None) -> None:
    """Remove an entity and its pictures from the library; runs that used it keep theirs."""
    opened = _opened(library)
    opened.remove(_member(opened, entity).id)
    echo(f"{opened.folder}: {entity} removed")


@app.command()
def keep(
    run: options.Run,
    entity: Entity,
    most: Annotated[int, typer.Option("--most", min=1, help="Most pictures to take over.")] = 3,
    library: Library = None,
) -> None:
    """Take the best keyframes of an entity from a finished film into the library."""
    from storymem.memory.keep import keep_entity
    from storymem.runs import open_run

    opened = _opened(library)
    with open_run(run) as finished:
        kept = keep_entity(finished, entity, opened, most)
    echo(f"{opened.folder}: took {len(kept)} pictures of {entity}: {', '.join(k.name for k in kept)}")


def _opened(
    library: Path | None,
    host: PluginHost | None = None,
    config: Path | None = None,
    assign: list[str] | None = None,
) -> CastLibrary:
    from storymem.memory.library import CastLibrary
    from storymem.plugin import PluginHost

    host = host or PluginHost()
    settings = options.settings_from(host, config, assign, {}).settings
    return CastLibrary(library or settings.library or _FOLDER, settings.store, host)


def _member(library: CastLibrary, name: str) -> CastMember:
    from storymem.errors import SettingsError
    from storymem.script.mentions import same_name

    for member in library.members.values():
        if same_name(member.id, name) or same_name(member.name, name):
            return member
    known = ", ".join(sorted(library.members)) or "none"
    raise SettingsError(f"{library.folder}: has no entity {name!r}; it has: {known}")
