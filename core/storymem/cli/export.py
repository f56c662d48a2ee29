"""``storymem export`` and ``storymem subtitles``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from storymem.cli import options
from storymem.cli.terminal import echo

Media = Annotated[
    str,
    typer.Option(
        help="Files the cut refers to: master (lossless, with handles), view (H.264), or new ones: prores, dnxhr."
    ),
]


def export(
    run: options.Run,
    to: Annotated[str, typer.Option(help="Form: otio, fcp7xml, edl, fcpxml, csv, folder, or an installed exporter.")],
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="File, or folder, to write; named after the story if not given.")
    ] = None,
    media: Media = "master",
    assign: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A setting of the exporter, such as rate=24.")
    ] = None,
    force: options.Force = False,
    plugin: options.PluginFiles = None,
    as_json: options.Json = False,
) -> None:
    """Write the film's cut for an editing program: handles, dissolves, markers, entities; say what is changed."""
    from storymem.cli.plan import plugin_settings
    from storymem.cli.terminal import print_json
    from storymem.errors import SettingsError
    from storymem.export.media import MediaKind
    from storymem.export.run import export_run

    if media not in list(MediaKind):
        raise SettingsError(f"--media {media!r}: use {', '.join(MediaKind)}")
    settings = plugin_settings(assign)
    done = export_run(run, to, out, media=media, settings=settings, plugins=plugin or [], force=force)
    if as_json:
        timeline = done.timeline
        print_json(
            {
                "file": str(done.path),
                "frames": timeline.length,
                "fps": timeline.fps,
                "shots": [shot.id for shot in timeline.shots],
                "notes": list(done.notes),
            }
        )
        return
    for note in done.notes:
        echo(f"note: {note}", err=True)
    echo(f"{done.path} ({len(done.timeline.shots)} shots, {done.timeline.length} frames)")


def subtitles(
    run: options.Run,
    out: Annotated[Path, typer.Option("--out", "-o", help="The file: .srt, .vtt or .ass.")] = Path("film.srt"),
    speakers: Annotated[bool, typer.Option("--speakers", help="Put the speaker's name before each line.")] = False,
    speed: Annotated[float, typer.Option(min=1, help="Characters a second that can be read.")] = 17,
    strict: Annotated[bool, typer.Option("--strict", help="Exit 1 if a subtitle is too fast to read.")] = False,
    force: options.Force = False,
    as_json: options.Json = False,
) -> None:
    """Write narration and dialogue as subtitles, and name those that are gone before they can be read."""
    from storymem.cli.terminal import print_json
    from storymem.export.subtitles import write_subtitles

    done = write_subtitles(run, out, speakers=speakers, readable=speed, force=force)
    if as_json:
        print_json({"file": str(done.path), "subtitles": len(done.cues), "findings": list(done.findings)})
    else:
        for finding in done.findings:
            echo(f"warning: {finding}", err=True)
        echo(f"{done.path} ({len(done.cues)} subtitles, {len(done.findings)} too fast)")
    if strict and done.findings:
        raise typer.Exit(1)
