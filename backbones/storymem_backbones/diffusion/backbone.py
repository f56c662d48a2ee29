"""The base of backbones on diffusers: a new model declares its card and maps a request to its pipeline's arguments.

The base finds, checks and loads weights, places them as the profile says, reports progress, cancels, explains what is
wrong, and names in the fingerprint all that changes a picture. It knows nothing about stories or memory policies.
"""

import gc
import json
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from typing_extensions import TypeVar

from storymem.errors import SettingsError
from storymem.interfaces import Backbone, Check, Progress, ShotRequest
from storymem.values.clip import Clip, Frames
from storymem_backbones.diffusion.card import ModelCard, diffusers_version
from storymem_backbones.diffusion.digest import weights_identity
from storymem_backbones.diffusion.errors import GenerationError, WeightsError
from storymem_backbones.diffusion.estimate import GIB, Estimate
from storymem_backbones.diffusion.loading import load_pipeline
from storymem_backbones.diffusion.manifest import NativeFacts, read_facts
from storymem_backbones.diffusion.placement import optimise, place, require_device, transformers_of
from storymem_backbones.diffusion.profiles import Profile, smaller_profile
from storymem_backbones.diffusion.progress import reporting
from storymem_backbones.diffusion.settings import DiffusionSettings
from storymem_backbones.diffusion.weights import check_component, local_folder, locate_weights, read_index

DiffusionT = TypeVar("DiffusionT", bound=DiffusionSettings)


class LoadsPipelines(Backbone[DiffusionT]):
    """What is the same even for a model whose steps are our own: weights, device, memory, what doctor says.

    Attributes:
        card: What is said of the model.
    """

    card: ClassVar[ModelCard]

    def __init__(self, settings: DiffusionT | None = None) -> None:
        super().__init__(settings)
        self._loaded: tuple[object, Any] | None = None

    @abstractmethod
    def estimate(self, width: int, height: int, frames: int, memory: int) -> Estimate:
        """What one shot of this size takes with the chosen profile; loads no weights."""

    def doctor(self) -> Sequence[Check]:
        """Licence, whether weights and device are there, and what a shot of native size will take."""
        facts, profile = self._facts(), self.settings.resolved_profile()
        weights = self._weights_check()
        checks = [Check("licence", True, self.card.licence), weights, *self._more_checks()]
        checks.append(self._device_check(profile))
        if self._folder_if_there() is not None and not weights.ok:
            return checks
        for memory in sorted({0, facts.max_memory}):
            need = self.estimate(facts.width, facts.height, facts.frames, memory)
            fits = profile.device == "cpu" or need.gpu_bytes / GIB <= profile.gpu_memory
            detail = f"{facts.width}x{facts.height}, {facts.frames} frames: {need.sentence()}"
            checks.append(Check(f"shot, {memory} memory frames", fits, detail))
        return checks

    def close(self) -> None:
        """Drop the weights and give their memory back."""
        if self._loaded is None:
            return
        self._release(self._loaded[1])
        self._loaded = None
        gc.collect()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _release(self, pipeline: Any) -> None:
        pipeline.remove_all_hooks()

    @contextmanager
    def _memory_watched(self) -> Iterator[None]:
        """Turn a full GPU into advice; the weights are dropped, so that the next shot starts from nothing."""
        try:
            yield
        except torch.OutOfMemoryError as error:
            advice = self._memory_advice()
            self.close()
            raise GenerationError(f"out of GPU memory with profile {self.settings.profile}: {advice}") from error

    def _facts(self) -> NativeFacts:
        folder = self._folder_if_there()
        return self.card.facts if folder is None else read_facts(folder, self.card.facts)

    def _folder_if_there(self) -> Path | None:
        return local_folder(self.settings.weights)

    def _describe_weights(self, folder: Path) -> str:
        """Check a folder from its small files and say what it holds; raises :class:`WeightsError`."""
        index = read_index(folder, self.card.published)
        for component, wanted in self.card.components.items():
            check_component(folder, index, component, wanted, self.card.name)
        return ", ".join(self.card.components)

    def _more_checks(self) -> Iterator[Check]:
        yield from ()

    def _weights_check(self) -> Check:
        folder = self._folder_if_there()
        if folder is None:
            download = self.card.published.download
            what = f"{self.settings.weights} is not a folder here; downloading it takes {download}"
            return Check("weights", self.settings.revision is not None, what)
        try:
            return Check("weights", True, f"{folder}: {self._describe_weights(folder)}")
        except WeightsError as error:
            return Check("weights", False, str(error))

    def _device_check(self, profile: Profile) -> Check:
        try:
            require_device(profile, self.settings.profile)
        except SettingsError as error:
            return Check("device", False, str(error))
        name = torch.cuda.get_device_name() if profile.device == "cuda" else "CPU"
        return Check("device", True, f"profile {self.settings.profile} on {name}")

    def _memory_advice(self) -> str:
        smaller = smaller_profile(self.settings.resolved_profile())
        if smaller is None:
            return "make fewer frames, a smaller size or less memory, or set profile_changes.linear_fp8 = weights"
        return f"try profile {smaller}"


class DiffusersBackbone(LoadsPipelines[DiffusionT]):
    """A pipeline of diffusers as it is. A model declares its card, capabilities and the methods below."""

    @abstractmethod
    def arguments(self, request: ShotRequest, settings: DiffusionT) -> dict[str, Any]:
        """The pipeline's arguments for a request, seed and output format left out."""

    @abstractmethod
    def forward_passes(self, request: ShotRequest, settings: DiffusionT) -> int:
        """How often the transformers run for a request."""

    def fingerprint(self) -> str:
        """Weights, number formats, diffusers' version and every setting that changes the picture."""
        settings = self.settings.model_dump(mode="json", exclude={"weights", "revision", "profile", "profile_changes"})
        content = {
            "weights": weights_identity(self.settings.weights, self.settings.revision),
            "diffusers": diffusers_version(),
            "settings": settings,
            "profile": self.settings.resolved_profile().picture(),
        }
        name = f"{type(self).__module__}:{type(self).__qualname__}"
        return f"{name}/{self.version}/{json.dumps(content, sort_keys=True)}"

    def generate(self, request: ShotRequest, progress: Progress) -> Clip:
        """Make one clip; see `storymem.interfaces.Backbone`.

        Raises:
            GenerationError: The GPU is out of memory, or numbers stopped being finite.
            WeightsError: Weights are missing or wrong.
        """
        settings = self.settings.model_copy(update=dict(request.options))
        arguments = self.arguments(request, settings)
        pipeline = self._pipeline()
        passes = self.forward_passes(request, settings)
        with self._memory_watched(), reporting(transformers_of(pipeline), passes, progress), _hooks_freed(pipeline):
            made = pipeline(**arguments, generator=torch.Generator().manual_seed(request.seed), output_type="np")
        return self._clip(made, request)

    def _clip(self, made: Any, request: ShotRequest) -> Clip:
        return Clip(as_frames(made.frames[0]), self._facts().fps)

    def _pipeline(self) -> Any:
        if self._loaded is None:
            profile = self.settings.resolved_profile()
            require_device(profile, self.settings.profile)
            if profile.gpus > 1:
                raise SettingsError(f"profile {self.settings.profile}: {self.card.name} runs on one GPU; set gpus = 1")
            folder = locate_weights(self.settings.weights, self.settings.revision, self.card.published)
            self._describe_weights(folder)
            self._loaded = ("model", self._build(folder, profile))
        return self._loaded[1]

    def _build(self, folder: Path, profile: Profile) -> Any:
        pipeline = load_pipeline(self.card.pipeline_class(), folder, profile)
        optimise(pipeline, profile, self.card.blocks)
        place(pipeline, profile)
        return pipeline


def as_frames(video: Any) -> Frames:
    """Frames uint8 RGB (F, H, W, 3) of a pipeline's video, floats (F, H, W, 3) in 0..1."""
    levels: Frames = (np.asarray(video, dtype=np.float32) * 255).round().clip(0, 255).astype(np.uint8)
    return levels


@contextmanager
def _hooks_freed(pipeline: Any) -> Iterator[None]:
    """Undo what offloading left, which diffusers does only where nothing was raised."""
    try:
        yield
    finally:
        pipeline.maybe_free_model_hooks()
