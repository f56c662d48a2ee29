"""The replaceable parts of the framework. Import what you implement from here.

Frames are uint8 RGB arrays (T, H, W, 3); no interface mentions torch.
"""

from storymem.interfaces.backbone import Backbone, Capabilities, Progress, Requirements
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
from storymem.interfaces.executor import (
    Executor,
    ShotWorker,
    TaskListener,
    TaskState,
    TaskStatus,
    WorkerRecipe,
)
from storymem.interfaces.exporter import Exporter
from storymem.interfaces.finisher import Finisher
from storymem.interfaces.format import ScriptFormat
from storymem.interfaces.memory import MemoryPolicy, MemoryStore, MemoryView
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
from storymem.interfaces.plugin import (
    BuildPlugin,
    BuildsPlugins,
    Check,
    NoSettings,
    NotInFingerprint,
    Plugin,
    PluginSettings,
)
from storymem.interfaces.selection import ClipContext, FrameFilter, FrameGate, KeyframeSelector, Verdict
from storymem.interfaces.transition import Transition
from storymem.values.keyframe import QUALITY_SCORES, Keyframe
from storymem.values.request import AnchorFrame, Handover, Mode, ShotRequest, Subject
from storymem.values.work import Rejection, ShotOutcome, ShotTask

__all__ = [
    "AnchorFrame",
    "QUALITY_SCORES",
    "Backbone",
    "Box",
    "Brief",
    "BuildPlugin",
    "BuildsPlugins",
    "Capabilities",
    "Check",
    "ClipContext",
    "Column",
    "Detector",
    "EmbeddingScorer",
    "Encoder",
    "EventSink",
    "Executor",
    "Exporter",
    "FaceEncoder",
    "FeatureSource",
    "Film",
    "FilmView",
    "FinishedShot",
    "Finisher",
    "FrameFilter",
    "FrameGate",
    "Handover",
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
    "Rejection",
    "Requirements",
    "Scope",
    "ScriptFormat",
    "ScriptPlanner",
    "ShotOutcome",
    "ShotRequest",
    "ShotTask",
    "ShotWorker",
    "Subject",
    "TaskListener",
    "TaskState",
    "TaskStatus",
    "Transition",
    "Verdict",
    "WorkerRecipe",
    "VideoTextEncoder",
]
