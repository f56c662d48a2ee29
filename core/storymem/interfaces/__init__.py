"""The replaceable parts of the framework. Import what you implement from here.

Frames are uint8 RGB arrays (T, H, W, 3); no interface mentions torch.
"""

from storymem.interfaces.backbone import Backbone, Capabilities, GenerationRequest, Mode, Progress, Subject
from storymem.interfaces.encoder import ImageTextEncoder
from storymem.interfaces.events import EventSink
from storymem.interfaces.executor import Executor, ShotWorker
from storymem.interfaces.format import ScriptFormat
from storymem.interfaces.memory import QUALITY_SCORES, Keyframe, MemoryPolicy, MemoryStore, MemoryView
from storymem.interfaces.metric import FilmView, FinishedShot, Metric
from storymem.interfaces.planner import Brief, ScriptPlanner
from storymem.interfaces.plugin import Check, NoSettings, NotInFingerprint, Plugin, PluginSettings
from storymem.interfaces.selection import (
    Candidate,
    ClipContext,
    FrameFilter,
    FrameGate,
    KeyframeSelector,
    Verdict,
)
from storymem.interfaces.transition import Transition

__all__ = [
    "QUALITY_SCORES",
    "Backbone",
    "Brief",
    "Candidate",
    "Capabilities",
    "Check",
    "ClipContext",
    "EventSink",
    "Executor",
    "FilmView",
    "FinishedShot",
    "FrameFilter",
    "FrameGate",
    "GenerationRequest",
    "ImageTextEncoder",
    "Keyframe",
    "KeyframeSelector",
    "MemoryPolicy",
    "MemoryStore",
    "MemoryView",
    "Metric",
    "Mode",
    "NoSettings",
    "NotInFingerprint",
    "Plugin",
    "PluginSettings",
    "Progress",
    "ScriptFormat",
    "ScriptPlanner",
    "ShotWorker",
    "Subject",
    "Transition",
    "Verdict",
]
