"""Registers the built-in exporters."""

from __future__ import annotations

from storymem.interfaces.plugin import NoSettings
from storymem.plugin import Register, hookimpl
from storymem_plugins.exports.fcpxml import FinalCutX
from storymem_plugins.exports.folder import Folder
from storymem_plugins.exports.settings import RateSettings
from storymem_plugins.exports.table import Table

_INSTALL = "storymem[edit]"


@hookimpl
def storymem_exporters(register: Register) -> None:
    """Register the built-in exporters; those that need OpenTimelineIO are imported when they are used."""
    register("fcpxml", FinalCutX)
    register("csv", Table)
    register("folder", Folder)
    register(
        "otio",
        "storymem_plugins.exports.opentimeline:OpenTimeline",
        settings=NoSettings,
        requires=("opentimelineio",),
        install=_INSTALL,
        summary="An OpenTimelineIO file, with all we know of each shot in its metadata.",
    )
    register(
        "edl",
        "storymem_plugins.exports.edl:EditDecisionList",
        settings=RateSettings,
        requires=("opentimelineio", "otio_cmx3600_adapter"),
        install=_INSTALL,
        summary="A CMX 3600 edit decision list.",
    )
    register(
        "fcp7xml",
        "storymem_plugins.exports.final_cut:FinalCutSeven",
        settings=RateSettings,
        requires=("opentimelineio", "otio_fcp_adapter"),
        install=_INSTALL,
        summary="Final Cut Pro 7 XML, as Premiere Pro and DaVinci Resolve import it.",
    )
