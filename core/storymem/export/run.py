"""One export: a run folder in, a file for an editing program out. The command line and programs go through here."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from storymem.errors import MediaError
from storymem.export.media import MediaKind, with_media
from storymem.export.reading import read_timeline, stored_host
from storymem.film.names import safe_title
from storymem.interfaces import Exporter
from storymem.media.files import writing
from storymem.plugin import Kind
from storymem.store.runstore import RunStore
from storymem.values.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written: the file or folder, what the editor must know (a line each), and the cut."""

    path: Path
    notes: tuple[str, ...]
    timeline: Timeline


def export_run(
    run: Path | str,
    to: str,
    out: Path | str | None = None,
    *,
    media: MediaKind | str = MediaKind.MASTER,
    settings: Mapping[str, Any] | None = None,
    plugins: Sequence[Path] = (),
    force: bool = False,
) -> Exported:
    """Write the cut of a run's film for an editing program. The run is only read.

    Args:
        run: The run folder.
        to: Name of an exporter: ``otio``, ``fcp7xml``, ``edl``, ``fcpxml``, ``csv``, ``folder`` or an installed one.
        out: The file to write, or the folder to fill; named after the story, in the working folder, if None.
        media: Which files the cut refers to; new ones go to a folder beside ``out`` whose name ends in ``_media``.
        settings: Of the exporter, such as ``{"rate": 24}``.
        plugins: Local plugin files, beside those that the run was made with.
        force: Replace a file that is there; a folder never is.

    Raises:
        RunStoreError: It is no run folder, or no shot is finished.
        PluginError: There is no such exporter, or its libraries are not installed.
        MediaError: A file is in the way or cannot be written.
    """
    kind = MediaKind(media)
    with RunStore(Path(run), write=False) as store:
        host = stored_host(store, plugins)
        exporter = host.build(Kind.EXPORTER, to, settings or {})
        assert isinstance(exporter, Exporter)  # the registry checked it
        timeline = read_timeline(store, host)
        target = Path(out) if out else Path(f"{safe_title(timeline.title)}{exporter.suffix or '_export'}")
        _make_room(target, force)
        folder = target.with_name(f"{target.stem}_media")
        timeline = with_media(timeline, kind, store, folder)
        own = exporter.export(timeline, target)
    return Exported(target, (*timeline.notes, *own), timeline)


def _make_room(target: Path, force: bool) -> None:
    if os.path.lexists(target):
        if target.is_dir():
            raise MediaError(f"{target}: is there already; choose another name with --out, or delete it first")
        if not force:
            raise MediaError(f"{target}: exists; choose another name with --out, or add --force to replace it")
        with writing(target):
            target.unlink()
    with writing(target):
        target.parent.mkdir(parents=True, exist_ok=True)
