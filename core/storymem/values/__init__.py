"""The values that every other part speaks of: scripts, clips, keyframes, requests, tasks and outcomes.

The ground floor: nothing here knows an interface, a plugin, a run folder or the engine.
"""

from storymem.values.clip import Clip, Frames, VideoFormat, pixel_hash
from storymem.values.files import FileRef
from storymem.values.keyframe import QUALITY_SCORES, REFERENCE_POSITION, Keyframe, in_story_order
from storymem.values.request import Handover, Mode, ShotRequest, Subject, mode_of
from storymem.values.script import Entity, EntityKind, Line, Scene, Shot, ShotOverrides, StoryScript
from storymem.values.sound import Samples, Sound
from storymem.values.storyboard import BoardShot, Storyboard
from storymem.values.timeline import Edit, SpokenLine, Timeline, TimelineShot
from storymem.values.work import ClipFile, MadeClip, Rejection, ShotOutcome, ShotRef, ShotTask

__all__ = [
    "QUALITY_SCORES",
    "REFERENCE_POSITION",
    "BoardShot",
    "Clip",
    "ClipFile",
    "Edit",
    "Entity",
    "EntityKind",
    "FileRef",
    "Frames",
    "Handover",
    "Keyframe",
    "Line",
    "MadeClip",
    "Mode",
    "Rejection",
    "Samples",
    "Scene",
    "Shot",
    "ShotOutcome",
    "ShotOverrides",
    "ShotRef",
    "ShotRequest",
    "ShotTask",
    "StoryScript",
    "Sound",
    "SpokenLine",
    "Storyboard",
    "Subject",
    "VideoFormat",
    "Timeline",
    "TimelineShot",
    "in_story_order",
    "mode_of",
    "pixel_hash",
]
