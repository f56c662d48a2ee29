"""Does one shot's work: generate, write the files, choose keyframes. Knows no graph and no database."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from storymem.engine.accept import AcceptGate, Judgement, attempt_seed
from storymem.engine.task import ClipRef, GenerateStep, MadeClip, MadeKeyframe, ShotOutcome, ShotTask
from storymem.engine.toolbox import Toolbox, ToolboxRecipe
from storymem.errors import Cancelled, DamagedFile, PluginError, ShotError, StoryMemError
from storymem.interfaces.backbone import GenerationRequest, Progress
from storymem.interfaces.selection import Candidate, ClipContext, FrameGate, Rejection
from storymem.media.clip import Clip, Frames, pixel_hash
from storymem.media.images import write_png
from storymem.media.video import MASTERS, read_clip, viewing_codec, write_clip
from storymem.store.objects import NewFile, file_digest, verified


class WorkerRecipe:
    """Builds a :class:`Worker`: around the given toolbox in this process, around a new one in any other.

    Args:
        recipe: What another process builds its toolbox from.
        toolbox: This process's; it stays behind when the recipe is pickled, so that weights are loaded once
            per process.
    """

    def __init__(self, recipe: ToolboxRecipe, toolbox: Toolbox) -> None:
        self._recipe = recipe
        self._toolbox: Toolbox | None = toolbox

    def __getstate__(self) -> dict[str, object]:
        return {"_recipe": self._recipe, "_toolbox": None}

    def __call__(self) -> Worker:
        """Build a worker."""
        if self._toolbox is not None:
            return Worker(self._toolbox, owns_toolbox=False)
        return Worker(self._recipe.build(), owns_toolbox=True)


class Worker:
    """Makes shots with one toolbox. May be shared by threads: a backbone that must not be is used in turn."""

    def __init__(self, toolbox: Toolbox, owns_toolbox: bool) -> None:
        self._toolbox = toolbox
        self._owns_toolbox = owns_toolbox
        self._turn = threading.Lock()
        self._embeddings: dict[str, NDArray[np.float32]] = {}

    def close(self) -> None:
        """Release the toolbox, unless it is shared with the engine."""
        if self._owns_toolbox:
            self._toolbox.close()

    def run(self, task: ShotTask, progress: Progress) -> ShotOutcome:
        """Do a task.

        Raises:
            ShotError: The backbone broke its contract or failed.
            DamagedFile: A stored file this shot needs is not what was recorded.
            MediaError: A file could not be written.
        """
        if task.generate is not None:
            clip, made, refused = self._make(task, task.generate, progress)
        else:
            clip, made, refused = _load(task.source), None, ()
        view = None
        if task.crf is not None:
            path = task.file("view.mp4")
            write_clip(path, Clip(clip.frames[task.first :], clip.fps), viewing_codec(task.crf))
            view = NewFile(path, file_digest(path))
        if not task.select:
            return ShotOutcome(task.shot, made, view)
        if not (made.accepted if made else task.accepted):
            return ShotOutcome(task.shot, made, view, candidates=(), rejections=refused)
        return self._select(task, clip, ShotOutcome(task.shot, made, view))

    def _make(
        self, task: ShotTask, step: GenerateStep, progress: Progress
    ) -> tuple[Clip, MadeClip, tuple[Rejection, ...]]:
        request = _request(step)
        with self._backbone_turn():
            progress(0, 1)  # a run that was cancelled while this shot waited for its turn stops here
            started = time.monotonic()
            clip, judgement, seed, attempts = self._best(task, request, progress)
            seconds = time.monotonic() - started
        codec = MASTERS[task.master]
        path = task.file(f"master{codec.suffix}")
        write_clip(path, clip, codec)
        if task.master != "lossless":
            # Everything downstream works on what was kept, so that choosing again later sees the same pixels.
            clip = read_clip(path, clip.fps)
        made = MadeClip(
            master=NewFile(path, file_digest(path)),
            clip=clip.content_hash(),
            frames=len(clip),
            width=clip.width,
            height=clip.height,
            fps=clip.fps,
            seconds=seconds,
            seed=seed,
            attempts=attempts,
            accepted=judgement.accepted,
        )
        return clip, made, judgement.rejections

    def _best(self, task: ShotTask, request: GenerationRequest, progress: Progress) -> tuple[Clip, Judgement, int, int]:
        """Return the first accepted clip or else the best one, its judgement and seed, and the attempts made."""
        gate = self._toolbox.accept
        if gate is None:
            return self._generate(task.shot, request, progress), Judgement(True, 1.0, 0.0), request.seed, 1
        best: tuple[Clip, Judgement, int] | None = None
        for attempt in range(gate.attempts):
            if attempt:
                progress(0, 1)  # a run that was cancelled while the last attempt was judged stops here
            seed = attempt_seed(request.seed, attempt)
            clip = self._generate(task.shot, replace(request, seed=seed), progress)
            judgement = self._judge(task, clip, gate)
            if best is None or judgement.rank > best[1].rank:
                best = clip, judgement, seed
            if judgement.accepted:
                break
        assert best is not None
        return *best, attempt + 1

    def _judge(self, task: ShotTask, clip: Clip, gate: AcceptGate) -> Judgement:
        try:
            return gate.judge(ClipContext(clip, task.first, task.visible, self._toolbox.encoder, self._embeddings))
        except (Cancelled, DamagedFile):
            raise
        except Exception as error:
            raise ShotError(f"shot {task.shot}: the accept gate failed: {_reason(error)}") from error

    def _generate(self, shot: str, request: GenerationRequest, progress: Progress) -> Clip:
        backbone = self._toolbox.backbone
        name = type(backbone).__name__
        try:
            clip = backbone.generate(request, progress)
        except StoryMemError as error:
            if isinstance(error, Cancelled | ShotError):
                raise
            raise ShotError(f"shot {shot}: {error}") from error
        except Exception as error:
            raise ShotError(f"shot {shot}: backbone {name} failed: {type(error).__name__}: {error}") from error
        _check_clip(shot, name, clip, request, backbone.capabilities().fps)
        return clip

    def _select(self, task: ShotTask, clip: Clip, outcome: ShotOutcome) -> ShotOutcome:
        try:
            context = ClipContext(clip, task.first, task.visible, self._toolbox.encoder, self._embeddings)
            gate = FrameGate(self._toolbox.filters, context)
            chosen = _checked_candidates(self._toolbox.selector.select(context, gate), context)
            candidates = tuple(self._keep(task, context, gate, candidate) for candidate in chosen)
        except (Cancelled, DamagedFile):
            raise
        except Exception as error:
            # The clip may have cost hours: it is returned, and only the choosing counts as failed.
            message = f"shot {task.shot}: choosing keyframes failed: {_reason(error)}"
            return ShotOutcome(outcome.shot, outcome.made, outcome.view, error=message)
        return ShotOutcome(outcome.shot, outcome.made, outcome.view, candidates, tuple(gate.rejections))

    def _keep(self, task: ShotTask, context: ClipContext, gate: FrameGate, candidate: Candidate) -> MadeKeyframe:
        frame = context.clip.frames[candidate.frame]
        path = task.file(f"keyframe_{candidate.frame:05d}.png")
        write_png(path, frame)
        picture, embedding = pixel_hash(frame), context.embedding_of(candidate.frame)
        if embedding is not None:
            self._embeddings[picture] = embedding
        scores = {**gate.scores(candidate.frame), **candidate.scores}
        return MadeKeyframe(NewFile(path, file_digest(path)), picture, candidate.frame, scores, embedding)

    @contextmanager
    def _backbone_turn(self) -> Iterator[None]:
        if self._toolbox.backbone.capabilities().concurrent:
            yield
        else:
            with self._turn:
                yield


def _reason(error: Exception) -> str:
    """Return an expected error's own line, and of any other its kind too."""
    return str(error) if isinstance(error, StoryMemError) else f"{type(error).__name__}: {error}"


def _request(step: GenerateStep) -> GenerationRequest:
    handed_over: Frames | None = None
    if step.previous is not None and step.handover:
        handed_over = _load(step.previous).frames[-step.handover :]
    return GenerationRequest(
        prompt=step.prompt,
        negative_prompt=step.negative_prompt,
        width=step.width,
        height=step.height,
        frames=step.frames,
        seed=step.seed,
        memory=tuple(keyframe.load() for keyframe in step.memory),
        handed_over=handed_over,
        subjects=step.subjects,
        options=step.options,
    )


def _load(source: ClipRef | None) -> Clip:
    if source is None:
        raise PluginError("task has neither a clip to make nor one to read")
    return read_clip(verified(source.file.path, source.file.digest), source.fps)


def _check_clip(shot: str, name: str, clip: object, request: GenerationRequest, fps: int) -> None:
    if not isinstance(clip, Clip):
        raise ShotError(f"shot {shot}: backbone {name} returned {type(clip).__name__}, not a Clip")
    wanted = (request.frames, request.height, request.width, 3)
    if clip.frames.shape != wanted:
        raise ShotError(f"shot {shot}: backbone {name} returned frames of shape {clip.frames.shape}, not {wanted}")
    if clip.fps != fps:
        raise ShotError(f"shot {shot}: backbone {name} returned {clip.fps} frames per second, not {fps}")


def _checked_candidates(candidates: object, context: ClipContext) -> list[Candidate]:
    if not isinstance(candidates, list | tuple) or not all(isinstance(c, Candidate) for c in candidates):
        raise PluginError("the selector must return a sequence of Candidate")
    frames = [c.frame for c in candidates]
    if frames != sorted(set(frames)) or any(f < context.first or f >= len(context.clip) for f in frames):
        raise PluginError(
            f"the selector returned frames {frames}; must ascend within {context.first}..{len(context.clip) - 1}"
        )
    return list(candidates)
