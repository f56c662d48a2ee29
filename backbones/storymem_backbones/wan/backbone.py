"""Wan M2V behind the framework's Backbone interface (StoryMem, arXiv 2512.19539, section 3).

Loads weights at the first shot and keeps them. Knows nothing about stories, graphs or run folders.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from storymem.interfaces import Capabilities, Check, Mode, Progress, Requirements, ShotRequest
from storymem.values.clip import Clip, Frames
from storymem.values.request import Handover
from storymem_backbones.diffusion.backbone import LoadsPipelines
from storymem_backbones.diffusion.card import ModelCard
from storymem_backbones.diffusion.errors import GenerationError
from storymem_backbones.diffusion.estimate import Estimate
from storymem_backbones.diffusion.placement import require_device
from storymem_backbones.wan.build import stacked_loras, start_pipeline
from storymem_backbones.wan.estimate import estimate_shot
from storymem_backbones.wan.fingerprint import picture_fingerprint
from storymem_backbones.wan.geometry import SIZE_MULTIPLE, TEMPORAL_STRIDE
from storymem_backbones.wan.manifest import Manifest, read_manifest
from storymem_backbones.wan.parallel import ParallelPipeline
from storymem_backbones.wan.pipeline import WanMemoryPipeline
from storymem_backbones.wan.settings import WanSettings
from storymem_backbones.wan.shot import Sampling
from storymem_backbones.wan.torchrun import GroupPipeline
from storymem_backbones.wan.weights import CLASSES, PUBLISHED, inspect_weights, locate_weights

_MOST_MEMORY = 16
CARD = ModelCard(
    name="Wan M2V",
    pipeline="storymem_backbones.wan.pipeline:WanMemoryPipeline",
    licence="Wan 2.2: Apache-2.0; LoRAs have licences of their own",
    published=PUBLISHED,
    components=CLASSES,
    facts=Manifest(),
)


class WanBackbone(LoadsPipelines[WanSettings]):
    """Make shots with Wan 2.2 and StoryMem's M2V LoRA, or with any small model of the same classes."""

    card = CARD
    version = "1"
    shot_options = frozenset(
        {
            "steps",
            "guidance_high",
            "guidance_low",
            "memory_guidance",
            "opening_guidance",
            "match_handover",
            "flow_shift",
            "negative_prompt",
        }
    )

    def capabilities(self) -> Capabilities:
        """Native size, length and speed of the model folder; Wan2.2-A14B's where it is not downloaded yet."""
        manifest = self._manifest()
        return Capabilities(
            modes=frozenset(Mode),
            size=(manifest.width, manifest.height),
            size_multiple=SIZE_MULTIPLE,
            frames=manifest.frames,
            frame_step=TEMPORAL_STRIDE,
            fps=manifest.fps,
            max_memory=_MOST_MEMORY,
            handovers=frozenset({1, 5}),
            anchors=frozenset({0}),
        )

    def fingerprint(self) -> str:
        """Weights, LoRAs, number formats and every setting that changes the picture; see `picture_fingerprint`."""
        manifest = self._manifest()
        loras = stacked_loras(self.settings, manifest, self._folder_if_there() or Path())
        text = picture_fingerprint(self.settings, manifest, self._sampling(self.settings, manifest), loras)
        return f"{type(self).__module__}:{type(self).__qualname__}/{self.version}/{text}"

    @classmethod
    def spread(cls, settings: Mapping[str, Any], gpus: int) -> Mapping[str, Any]:
        """Settings whose profile uses `gpus` context-parallel GPUs."""
        return {**settings, "profile_changes": {**settings.get("profile_changes", {}), "gpus": gpus}}

    def requirements(self) -> Requirements:
        """The profile's GPUs, and the most host memory that the weights take on their way to them."""
        profile = self.settings.resolved_profile()
        if profile.device != "cuda":
            return Requirements()
        manifest = self._manifest()
        estimate = self.estimate(manifest.width, manifest.height, manifest.frames, 0)
        return Requirements(profile.gpus, int(max(estimate.host_bytes, estimate.gpu_bytes)))

    def load(self) -> None:
        """Load the weights, unless the first shot decides which of two models is needed."""
        if self._loaded is None and self.settings.text_to_video is None:
            self._pipeline(text_to_video=False)

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make one clip; see `storymem.interfaces.Backbone`.

        Raises:
            GeometryError: Wrong size, length or number of handed-over frames.
            GenerationError: The GPU is out of memory, or numbers stopped being finite.
            WeightsError: Weights are missing or wrong.
            LoraError: A LoRA does not fit.
        """
        settings = self.settings.model_copy(update=dict(request.options))
        negative = settings.negative_prompt if request.negative_prompt is None else request.negative_prompt
        shot = replace(request, negative_prompt=negative, handover=_opening(request))
        from_text = settings.text_to_video is not None and request.mode is Mode.T2V and not request.anchors
        pipeline = self._pipeline(from_text)
        sampling = self._sampling(settings, self._manifest(), text_to_video=from_text)
        with self._memory_watched():
            frames: Frames = pipeline(shot, sampling, progress)
        return Clip(frames, self._manifest().fps)

    def reconstruct(self, clip: Clip) -> Clip:
        """The clip through the VAE and back: the best that a shot can look like.

        Raises:
            GeometryError: The clip's size or length is not legal.
            GenerationError: The profile spreads the model over several processes.
        """
        pipeline = self._pipeline(text_to_video=False)
        if not isinstance(pipeline, WanMemoryPipeline):
            raise GenerationError(f"profile {self.settings.profile}: clips are reconstructed by one process only")
        return Clip(pipeline.reconstruct(clip.frames), clip.fps)

    def estimate(self, width: int, height: int, frames: int, memory: int) -> Estimate:
        """What one shot of this size takes with the chosen profile; loads no weights."""
        folder = self._folder_if_there()
        info = None if folder is None else inspect_weights(folder)
        configs = (
            None
            if info is None
            else {
                "transformer": info.transformer,
                "text_encoder": info.text_encoder,
                "vae": info.vae,
            }
        )
        manifest = self._manifest()
        return estimate_shot(
            self.settings.resolved_profile(),
            self._sampling(self.settings, manifest),
            size=(width, height),
            frames=frames,
            memory=memory,
            configs=configs,
            experts=2 if info is None else len(info.experts),
            loras=0 if self.settings.merge_loras else len(self.settings.loras) or 1,
        )

    def _release(self, pipeline: Any) -> None:
        if isinstance(pipeline, ParallelPipeline):
            pipeline.close()
        else:
            super()._release(pipeline)

    def _pipeline(self, text_to_video: bool) -> WanMemoryPipeline | ParallelPipeline | GroupPipeline:
        if self._loaded is not None and self._loaded[0] == text_to_video:
            loaded: WanMemoryPipeline | ParallelPipeline | GroupPipeline = self._loaded[1]
            if not isinstance(loaded, ParallelPipeline) or loaded.running:
                return loaded
        require_device(self.settings.resolved_profile(), self.settings.profile)
        model = self.settings.text_to_video if text_to_video else self.settings
        assert model is not None
        folder = locate_weights(model.weights, model.revision)
        # Two A14B models do not fit side by side: the other one goes first.
        self.close()
        pipeline = start_pipeline(folder, self.settings, read_manifest(folder), text_to_video=text_to_video)
        self._loaded = (text_to_video, pipeline)
        return pipeline

    def _facts(self) -> Manifest:
        return self._manifest()

    def _manifest(self) -> Manifest:
        folder = self._folder_if_there()
        return Manifest() if folder is None else read_manifest(folder)

    def _sampling(self, settings: WanSettings, manifest: Manifest, *, text_to_video: bool = False) -> Sampling:
        def first(*values: Any) -> Any:
            return next(value for value in values if value is not None)

        model = settings.text_to_video if text_to_video else None
        return Sampling(
            steps=first(settings.steps, manifest.steps),
            flow_shift=model.flow_shift if model else first(settings.flow_shift, manifest.flow_shift),
            boundary=model.boundary if model else first(settings.boundary, manifest.boundary),
            guidance_high=first(settings.guidance_high, manifest.guidance),
            guidance_low=first(settings.guidance_low, manifest.guidance),
            memory_guidance=first(settings.memory_guidance, manifest.memory_guidance),
            opening_guidance=settings.opening_guidance,
            match_handover=first(settings.match_handover, manifest.match_handover),
            batched_guidance=settings.resolved_profile().batched_guidance,
        )

    def _describe_weights(self, folder: Path) -> str:
        info = inspect_weights(folder)
        return f"{len(info.experts)} expert(s) of {info.transformer['num_layers']} blocks"

    def _more_checks(self) -> Iterator[Check]:
        folder = self._folder_if_there() or Path()
        for lora in stacked_loras(self.settings, self._manifest(), folder):
            for side, path in (("high", lora.high), ("low", lora.low)):
                if path is not None:
                    found = f"{path.stat().st_size / 1e6:.1f} MB" if path.is_file() else "does not exist"
                    yield Check(f"lora {lora.name}, {side} noise", path.is_file(), f"{path}: {found}")


def _opening(request: ShotRequest) -> Handover | None:
    """Return the frames that the clip begins with: those handed over, or the picture anchored at its first frame."""
    if request.handover is None and request.anchors:
        return Handover(1, frames=request.anchors[0].load()[None])
    return request.handover
