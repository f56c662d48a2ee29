"""What one studio holds while it runs."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.requests import Request

from storymem.plugin import PluginHost
from storymem.store.runstore import RunStore
from storymem.values.files import FileRef
from storymem_studio.jobs import Jobs
from storymem_studio.library import Library, RunEntry
from storymem_studio.reading import Graphs
from storymem_studio.stills import Stills


def _templates() -> Environment:
    # Every value is escaped: a script may contain anything.
    found = Environment(loader=PackageLoader("storymem_studio"), autoescape=True, undefined=StrictUndefined)
    found.filters["duration"] = duration
    return found


@dataclass(slots=True)
class Studio:
    """The parts that requests share.

    Attributes:
        library: The runs.
        jobs: The queue.
        host: The installed plugins; no plugin file of a run folder is loaded for looking at it.
        graphs: Which shots wait for which.
        stills: Small copies of pictures.
        templates: Of the pages.
        previewing: Held while plugins are built for a preview, so that two do not load a model twice.
    """

    library: Library
    jobs: Jobs
    host: PluginHost
    graphs: Graphs
    stills: Stills = field(default_factory=Stills)
    templates: Environment = field(default_factory=_templates)
    previewing: threading.Lock = field(default_factory=threading.Lock)
    _files: dict[tuple[str, str], FileRef] = field(default_factory=dict)

    @classmethod
    def of(cls, root: Path) -> Studio:
        """Return a studio of a run folder, or of a folder of run folders."""
        host, library = PluginHost(), Library(root)
        return cls(library, Jobs(library.root), host, Graphs(host))

    def file(self, run: RunEntry, digest: str) -> FileRef | None:
        """Return a stored file of a run by its digest; None if the run has none of this name.

        Where files are is kept: a page asks for dozens, and opening a run proves its whole database each time.
        """
        if (run.name, digest) not in self._files:
            with RunStore(run.folder, write=False) as store:
                found = {d: FileRef(store.objects.path(d, r.suffix), d) for d, r in store.files().items()}
            self._files.update({(run.name, known): file for known, file in found.items()})
        return self._files.get((run.name, digest))


def studio_of(request: Request) -> Studio:
    """Return the studio that a request is made to."""
    found = request.app.state.studio
    assert isinstance(found, Studio)
    return found


def duration(seconds: float) -> str:
    """Return seconds as people say them."""
    if seconds < 90:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 90 else f"{minutes // 60} h {minutes % 60:02} min"
