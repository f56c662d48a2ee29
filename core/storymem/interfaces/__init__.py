"""The replaceable parts of the framework. Import what you implement from here.

Frames are uint8 RGB arrays (T, H, W, 3); no interface mentions torch.
"""

from storymem.interfaces.backbone import Backbone, Capabilities, GenerationRequest, Mode, Progress, Subject
from storymem.interfaces.encoder import (
    Box,
    Detector,
    EmbeddingScorer,
    Encoder,
    FaceEncoder,
    ImageEncoder,
    ImageScorer,
    ImageTextEncoder,
    ImageTextScorer,
    MotionEstimator,
    VideoTextEncoder,
)
from storymem.interfaces.events import EventSink
from storymem.interfaces.executor import Executor, ShotWorker
from storymem.interfaces.format import ScriptFormat
from storymem.interfaces.memory import QUALITY_SCORES, Keyframe, MemoryPolicy, MemoryStore, MemoryView
from storymem.interfaces.metric import (
    Column,
    FeatureSource,
    Film,
    FilmView,
    FinishedShot,
    Measurement,
    Metric,
    MetricSuite,
    Need,
    Scope,
)
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
    "Box",
    "Brief",
    "Candidate",
    "Capabilities",
    "Check",
    "ClipContext",
    "Column",
    "Detector",
    "EmbeddingScorer",
    "Encoder",
    "EventSink",
    "Executor",
    "FaceEncoder",
    "FeatureSource",
    "Film",
    "FilmView",
    "FinishedShot",
    "FrameFilter",
    "FrameGate",
    "GenerationRequest",
    "ImageEncoder",
    "ImageScorer",
    "ImageTextEncoder",
    "ImageTextScorer",
    "Keyframe",
    "KeyframeSelector",
    "Measurement",
    "MemoryPolicy",
    "MemoryStore",
    "MemoryView",
    "Metric",
    "MetricSuite",
    "Mode",
    "MotionEstimator",
    "Need",
    "NoSettings",
    "NotInFingerprint",
    "Plugin",
    "PluginSettings",
    "Progress",
    "Scope",
    "ScriptFormat",
    "ScriptPlanner",
    "ShotWorker",
    "Subject",
    "Transition",
    "Verdict",
    "VideoTextEncoder",
]
