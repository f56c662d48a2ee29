"""``storymem portraits``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo, next_step


def portraits(
    script: Annotated[Path, typer.Argument(help="Story script: JSON, JSON5, YAML or TOML.")],
    out: Annotated[
        Path | None,
        typer.Option("--out", "-o", help="Script to write; <script name>_portraits.json beside it if not given."),
    ] = None,
    config: options.Config = None,
    assign: options.Set = None,
    plugin: options.PluginFiles = None,
    backbone: options.Backbone = None,
    size: options.Size = None,
    frames: options.Frames = None,
    seed: options.Seed = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a script that is there already.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Make a reference image of every character that has none, and write the script with them.

    The pictures go into a folder beside the new script, NAME_portraits. Render the new script afterwards.
    """
    from storymem.cli.progress import receiver
    from storymem.cli.render import interruptible
    from storymem.engine.cancel import CancelToken
    from storymem.plugin import PluginHost
    from storymem.portraits import make_portraits, note_written, require_free, with_portraits
    from storymem.script import services
    from storymem.script.writing import check_suffix, write_script
    from storymem.session import Session

    target = out or script.with_name(f"{script.stem}_portraits.json")
    # Never the plain name: that is the folder in which the new script is rendered, if both lie in films/.
    folder, cancel = target.with_name(f"{target.stem.removesuffix('_portraits')}_portraits"), CancelToken()
    check_suffix(target)  # before anything is made, not after
    if not force:
        require_free(folder, target)
    host = PluginHost(plugin or [])
    shortcuts = {"backbone": backbone, "size": size, "frames": frames, "seed": seed}
    resolved = options.settings_from(host, config, assign, shortcuts)
    story = services.rebased(services.read_script(script, host)[1], script.parent, target.parent)
    with (
        Session(resolved.explicit, plugins=host) as session,
        interruptible(cancel),
        receiver(as_json=as_json, quiet=quiet) as on_event,
    ):
        made = make_portraits(story, folder, session, on_event, cancel)
    write_script(target, with_portraits(story, made, target.parent))
    note_written(folder, target)
    if not as_json:
        echo(f"{target} ({len(made)} portraits in {folder})")
    if not quiet:
        next_step("storymem render", target)
