"""What the viewer sees of a shot: clip in, clip out, after everything that memory and later shots see.

A finisher works on the film's side alone. Takes, keyframes and hand-overs stay what the backbone made, so another
finisher re-makes finished copies and the film, and nothing else. It knows no story, no graph and no run folder.
"""

from __future__ import annotations

from abc import abstractmethod

from storymem.interfaces.backbone import Progress
from storymem.interfaces.plugin import Plugin, SettingsT
from storymem.values.clip import Clip, VideoFormat


class Finisher(Plugin[SettingsT]):
    """Makes a shot better to look at: larger, smoother, of steadier colour.

    It is shown pictures alone; the sound of a shot, if it has any, is in the film as it was made.
    """

    #: Whether ``finish`` is shown the shot before, where this one continues it. Such a finisher is best placed early:
    #: changing one shot takes it and those before it through the chain of shots again.
    needs_previous: bool = False

    def output(self, given: VideoFormat) -> VideoFormat:
        """Return size and rate of what becomes of a clip of this size and rate; the same by default.

        Asked before anything is made, without loading weights.

        Raises:
            SettingsError: It cannot be used on such clips; one line that says why and what to do.
        """
        return given

    @abstractmethod
    def finish(self, clip: Clip, previous: Clip | None, progress: Progress) -> Clip:
        """Return what the viewer sees of a shot.

        Args:
            clip: The shot, without the frames that repeat the shot before; must not be changed.
            previous: Only with ``needs_previous``: what this finisher returned for the shot before, if this one
                continues it; None after a cut.
            progress: To be called between steps as ``progress(step, total)``; it raises to cancel.

        Returns:
            A clip of the size and rate that :meth:`output` declares, and of the same duration: its number of frames
            is that of ``clip`` times the ratio of the rates, rounded up or down. Equal input gives equal output.

        Raises:
            StoryMemError: The clip cannot be finished; one line that says why and what to do.
        """
