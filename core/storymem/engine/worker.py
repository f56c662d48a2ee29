"""Does one shot's work: generate, write the files, choose keyframes. Knows no graph and no database."""

from __future__ import annotations

import platform
import threading
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from copy import copy
from dataclasses import dataclass, replace
from pathlib import Path
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray

from storymem.engine.accept import AcceptGate, Judgement, attempt_seed, revised
from storymem.engine.plugins import WorkerConfig, WorkerPlugins
from storymem.errors import Cancelled, DamagedFile, PluginError, ShotError, StoryMemError
from storymem.interfaces.backbone import Capabilities, Progress
from storymem.interfaces.executor import WorkerRecipe
from storymem.interfaces.selection import ClipContext, FrameGate
from storymem.keys import digest
from storymem.media.images import write_png
from storymem.media.video import LOSSLESS, MASTERS, Codec, read_clip, viewing_codec, write_clip
from storymem.store.objects import file_digest, verified
from storymem.values.clip import Clip
from storymem.values.files import FileRef
from storymem.values.keyframe import Keyframe
from storymem.values.picture import read_png
from storymem.values.request import AnchorFrame, Handover, ShotRequest
from storymem.values.work import ClipFile, MadeClip, Rejection, ShotOutcome, ShotTask


class WorkerFactory(WorkerRecipe):
    """Builds a :class:`Worker`: around the given plugins in this process, around new ones in any other.

    Args:
        config: What another process builds its plugins from.
        plugins: This process's; they stay behind when the factory is pickled, so that weights are loaded once
            per process.
    """

    def __init__(self, config: WorkerConfig, plugins: WorkerPlugins) -> None:
        self._config = config
        self._plugins: WorkerPlugins | None = plugins
        self._fingerprints = plugins.fingerprints()
        self.files = config.plugin_files
        settings = config.settings.model_dump(mode="json")
        # Objects cannot be compared by their content, and plugins built here live no longer than their session.
        parts = {"settings": settings, "fingerprints": self._fingerprints, "session": uuid4().hex}
        self.key = digest("worker", parts)

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_plugins": None}

    def __call__(self) -> Worker:
        """Build a worker.

        Raises:
            PluginError: Built here, a plugin would give other results than the engine's own, as with other weights.
        """
        if self._plugins is not None:
            return Worker(self._plugins, owns_plugins=False)
        plugins = self._config.build()
        here = plugins.fingerprints()
        for name, expected in self._fingerprints.items():
            if here.get(name) != expected:
                plugins.close()
                raise PluginError(
                    f"{name}: on {platform.node()} it is not what it is on the engine's machine (other weights, or "
                    f"another version): fingerprint {here.get(name)} there, {expected} here"
                )
        return Worker(plugins, owns_plugins=True)

    def moved(self, files: Sequence[Path]) -> WorkerFactory:
        """Return the same factory with its plugin files at other places."""
        other = copy(self)
        other._config = replace(self._config, plugin_files=tuple(files))
        other.files = other._config.plugin_files
        return other


@dataclass(frozen=True, slots=True)
class _Attempt:
    clip: Clip
    judgement: Judgement
    seed: int
    advice: str = ""  #: what its prompt had beyond the shot's own


class Worker:
    """Makes shots with one set of plugins. May be shared by threads: a backbone that must not be is used in turn."""

    def __init__(self, plugins: WorkerPlugins, owns_plugins: bool) -> None:
        self._plugins = plugins
        self._owns_plugins = owns_plugins
        self._turn = threading.Lock()

    def load(self) -> None:
        """Load the backbone's weights; returns at once if they are loaded, or while it is making a shot.

        Raises:
            StoryMemError: They cannot be loaded.
        """
        if self._turn.acquire(blocking=False):
            backbone = self._plugins.backbone
            try:
                backbone.load()
            except StoryMemError:
                raise
            except Exception as error:
                what = f"backbone {type(backbone).__name__} cannot load its weights"
                raise _failure(error, f"{what}: {type(error).__name__}: {error}") from error
            finally:
                self._turn.release()

    def close(self) -> None:
        """Release the plugins, unless they are shared with the engine."""
        if self._owns_plugins:
            self._plugins.close()

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Do a task.

        Raises:
            ShotError: The backbone broke its contract or failed.
            DamagedFile: A stored file this shot needs is not what was recorded.
            MediaError: A file could not be written.
        """
        if task.source is None:
            clip, made, refused = self._make(task, progress)
        else:
            clip, made, refused = _load(task.source), None, ()
        outcome = ShotOutcome(task.shot, made, _write_view(task, clip), _write_tail(task, clip))
        if not task.select:
            return outcome
        if not (made.accepted if made else task.accepted):
            return replace(outcome, candidates=(), rejections=refused)
        return self._select(task, clip, outcome)

    def _make(self, task: ShotTask, progress: Progress) -> tuple[Clip, MadeClip, tuple[Rejection, ...]]:
        request = _with_pixels(task.request)
        with self._backbone_turn():
            progress(0, 1)  # a run that was cancelled while this shot waited for its turn stops here
            started = time.monotonic()
            kept, attempts = self._best(task, request, progress)
            seconds = time.monotonic() - started
        clip = kept.clip
        codec = MASTERS[task.master]
        path = task.path(f"master{codec.suffix}")
        write_clip(path, clip, codec)
        notes = clip.notes
        if task.master != "lossless":
            # Everything downstream works on what was kept, so that choosing again later sees the same pixels.
            clip = read_clip(path, clip.fps)
        made = MadeClip(
            master=FileRef(path, file_digest(path)),
            clip=clip.content_hash(),
            frames=len(clip),
            width=clip.width,
            height=clip.height,
            fps=clip.fps,
            seconds=seconds,
            sound=clip.sound is not None,
            seed=kept.seed,
            attempts=attempts,
            accepted=kept.judgement.accepted,
            advice=kept.advice,
            notes=notes,
        )
        return clip, made, kept.judgement.rejections

    def _best(self, task: ShotTask, request: ShotRequest, progress: Progress) -> tuple[_Attempt, int]:
        """Return the first accepted attempt or else the best one, and how many were made."""
        gate = self._plugins.accept
        if gate is None:
            return _Attempt(self._generate(task.shot, request, progress), Judgement(True, 1.0, 0.0), request.seed), 1
        best: _Attempt | None = None
        advice = ""
        for number in range(gate.attempts):
            if number:
                progress(0, 1)  # a run that was cancelled while the last attempt was judged stops here
            seed = attempt_seed(request.seed, number)
            asked = replace(request, seed=seed, prompt=revised(request.prompt, advice))
            clip = self._generate(task.shot, asked, progress)
            attempt = _Attempt(clip, self._judge(task, clip, gate), seed, advice)
            if best is None or attempt.judgement.rank > best.judgement.rank:
                best = attempt
            if attempt.judgement.accepted:
                break
            # Advice on advice would drift away from the story: each attempt starts from the script's own prompt.
            advice = attempt.judgement.advice if gate.revise else ""
        assert best is not None
        return best, number + 1

    def _judge(self, task: ShotTask, clip: Clip, gate: AcceptGate) -> Judgement:
        try:
            return gate.judge(self._context(task, clip))
        except (Cancelled, DamagedFile):
            raise
        except Exception as error:
            raise _failure(error, f"shot {task.shot}: the accept gate failed: {_reason(error)}") from error

    def _context(self, task: ShotTask, clip: Clip) -> ClipContext:
        known: dict[str, NDArray[np.float32]] = dict(task.embeddings)
        return ClipContext(
            clip,
            task.first,
            task.visible,
            self._plugins.encoder,
            known,
            task.ref,
            task.visible_ids,
            task.request.prompt,
        )

    def _generate(self, shot: str, request: ShotRequest, progress: Progress) -> Clip:
        backbone = self._plugins.backbone
        name = type(backbone).__name__
        try:
            clip = backbone.generate(request, progress)
        except StoryMemError as error:
            if isinstance(error, Cancelled | ShotError):
                raise
            raise ShotError(f"shot {shot}: {error}", error.details) from error
        except Exception as error:
            message = f"shot {shot}: backbone {name} failed: {type(error).__name__}: {error}"
            raise _failure(error, message) from error
        _check_clip(shot, name, clip, request, backbone.capabilities())
        return clip

    def _select(self, task: ShotTask, clip: Clip, outcome: ShotOutcome) -> ShotOutcome:
        try:
            context = self._context(task, clip)
            gate = FrameGate(self._plugins.filters, context)
            chosen = _checked_candidates(self._plugins.selector.select(context, gate), context)
            candidates = tuple(_with_file(task, clip, candidate, gate) for candidate in chosen)
        except (Cancelled, DamagedFile):
            raise
        except Exception as error:
            # The clip may have cost hours: it is returned, and only the choosing counts as failed.
            failure = _failure(error, f"shot {task.shot}: choosing keyframes failed: {_reason(error)}")
            return replace(outcome, error=str(failure), details=failure.details)
        vectors = {k.id: v for k in candidates if (v := context.embedding_of(k.frame)) is not None}
        return replace(outcome, candidates=candidates, embeddings=vectors, rejections=tuple(gate.rejections))

    @contextmanager
    def _backbone_turn(self) -> Iterator[None]:
        if self._plugins.backbone.capabilities().concurrent:
            yield
        else:
            with self._turn:
                yield


def _reason(error: Exception) -> str:
    """Return an expected error's own line, and of any other its kind too."""
    return str(error) if isinstance(error, StoryMemError) else f"{type(error).__name__}: {error}"


def _failure(error: Exception, message: str) -> ShotError:
    """Return a plugin's failure as one line, with the traceback beside it if it is a bug."""
    return ShotError(message, error.details if isinstance(error, StoryMemError) else _trace(error))


def _trace(error: Exception) -> str:
    return "".join(traceback.format_exception(error))


def _write_view(task: ShotTask, clip: Clip) -> FileRef | None:
    if task.crf is None:
        return None
    return _written(task, "view.mp4", clip.cut(task.first), viewing_codec(task.crf))


def _write_tail(task: ShotTask, clip: Clip) -> FileRef | None:
    if not task.tail:
        return None
    return _written(task, "tail.mkv", Clip(clip.frames[-task.tail :], clip.fps), LOSSLESS)


def _written(task: ShotTask, name: str, clip: Clip, codec: Codec) -> FileRef:
    path = task.path(name)
    write_clip(path, clip, codec)
    return FileRef(path, file_digest(path))


def _with_file(task: ShotTask, clip: Clip, candidate: Keyframe, gate: FrameGate) -> Keyframe:
    """Return a candidate with its picture written, and with the filters' scores under the selector's own."""
    path = task.path(f"keyframe_{candidate.frame:05d}.png")
    write_png(path, clip.frames[candidate.frame])
    scores = {**gate.scores(candidate.frame), **candidate.scores}
    return replace(candidate, scores=scores, file=FileRef(path, file_digest(path)))


def _with_pixels(request: ShotRequest) -> ShotRequest:
    """Return a request with the pixels of its memory, anchors and handed-over frames in memory."""
    memory = tuple(keyframe.loaded() for keyframe in request.memory)
    anchors = tuple(_anchor_loaded(anchor) for anchor in request.anchors)
    return replace(request, memory=memory, handover=_loaded(request.handover), anchors=anchors)


def _anchor_loaded(anchor: AnchorFrame) -> AnchorFrame:
    if anchor.file is None:
        return anchor
    path = verified(anchor.file)
    pixels = read_png(path) if anchor.clip_frame is None else read_clip(path, 1).frames[anchor.clip_frame]
    return replace(anchor, pixels=pixels)


def _loaded(handover: Handover | None) -> Handover | None:
    if handover is None or handover.file is None:
        return handover
    # The frame rate plays no part: only the pixels are handed over.
    return replace(handover, frames=read_clip(verified(handover.file), 1).frames)


def _load(source: ClipFile) -> Clip:
    return read_clip(verified(source.file), source.fps)


def _check_clip(shot: str, name: str, clip: object, request: ShotRequest, declared: Capabilities) -> None:
    if not isinstance(clip, Clip):
        raise ShotError(f"shot {shot}: backbone {name} returned {type(clip).__name__}, not a Clip")
    wanted = (request.frames, request.height, request.width, 3)
    if clip.frames.shape != wanted:
        raise ShotError(f"shot {shot}: backbone {name} returned frames of shape {clip.frames.shape}, not {wanted}")
    if clip.fps != declared.fps:
        raise ShotError(f"shot {shot}: backbone {name} returned {clip.fps} frames per second, not {declared.fps}")
    if (clip.sound is not None) != declared.sound:
        made, said = ("sound", "makes none") if clip.sound is not None else ("no sound", "makes some")
        raise ShotError(f"shot {shot}: backbone {name} returned {made}; its capabilities say that it {said}")


def _checked_candidates(candidates: object, context: ClipContext) -> list[Keyframe]:
    if not isinstance(candidates, list | tuple) or not all(isinstance(c, Keyframe) for c in candidates):
        raise PluginError("the selector must return a sequence of keyframes, made by context.keyframe(...)")
    frames = [c.frame for c in candidates]
    if frames != sorted(set(frames)) or any(f < context.first or f >= len(context.clip) for f in frames):
        raise PluginError(
            f"the selector returned frames {frames}; must ascend within {context.first}..{len(context.clip) - 1}"
        )
    if wrong := [c.frame for c in candidates if c.id != context.id_of(c.frame)]:
        raise PluginError(f"the selector returned other pictures for frames {wrong}; use context.keyframe(...)")
    return list(candidates)
