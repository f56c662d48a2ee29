"""Wan-VACE behind the Backbone interface: memory as references, hand-over and anchors as video and mask."""

from functools import cached_property
from pathlib import Path
from typing import Any

from PIL import Image

from storymem.interfaces import Capabilities, Mode, ShotRequest
from storymem_backbones.diffusion.backbone import DiffusersBackbone
from storymem_backbones.diffusion.card import ModelCard
from storymem_backbones.diffusion.counting import Counted
from storymem_backbones.diffusion.errors import ConditioningError
from storymem_backbones.diffusion.estimate import Estimate
from storymem_backbones.diffusion.manifest import NativeFacts
from storymem_backbones.diffusion.profiles import Profile
from storymem_backbones.diffusion.weights import read_config, read_index
from storymem_backbones.vace.conditioning import Hold, control_video
from storymem_backbones.vace.estimate import VACE_1_3B, count_forward, estimate_shot
from storymem_backbones.vace.settings import PUBLISHED, VaceSettings
from storymem_backbones.wan.geometry import SIZE_MULTIPLE, TEMPORAL_STRIDE, latent_frames

CARD = ModelCard(
    name="Wan-VACE",
    pipeline="diffusers:WanVACEPipeline",
    licence="Wan2.1-VACE 1.3B and 14B: Apache-2.0",
    published=PUBLISHED,
    components={
        "transformer": "WanVACETransformer3DModel",
        "vae": "AutoencoderKLWan",
        "text_encoder": "UMT5EncoderModel",
    },
    blocks=("blocks", "vace_blocks"),
    facts=NativeFacts(max_memory=4),
)


class VaceBackbone(DiffusersBackbone[VaceSettings]):
    """Make shots with Wan-VACE. What was never tried with real weights is said in docs/vace.md."""

    card = CARD
    shot_options = frozenset({"steps", "guidance", "guidance_low", "conditioning_scale", "negative_prompt"})

    def capabilities(self) -> Capabilities:
        """Native size, length and speed of the model folder, or of the published model."""
        facts = self._facts()
        return Capabilities(
            modes=frozenset(Mode),
            size=(facts.width, facts.height),
            size_multiple=SIZE_MULTIPLE,
            frames=facts.frames,
            frame_step=TEMPORAL_STRIDE,
            fps=facts.fps,
            max_memory=self.settings.max_memory,
            handovers=frozenset({1, 5}),
            anchors=frozenset({0, -1}),
        )

    def arguments(self, request: ShotRequest, settings: VaceSettings) -> dict[str, Any]:
        """See :meth:`DiffusersBackbone.arguments`.

        Raises:
            ConditioningError: If there are more references than latent frames, which the pipeline would drop.
        """
        facts = self._facts()
        if len(request.memory) > latent_frames(request.frames):
            raise ConditioningError(
                f"{len(request.memory)} memory keyframes for {request.frames} frames: VACE takes at most "
                f"{latent_frames(request.frames)}; lower the budget or make the shot longer"
            )
        negative = request.negative_prompt
        arguments: dict[str, Any] = {
            "prompt": request.prompt,
            "negative_prompt": settings.negative_prompt if negative is None else negative,
            "width": request.width,
            "height": request.height,
            "num_frames": request.frames,
            "num_inference_steps": settings.steps or facts.steps,
            "guidance_scale": settings.guidance or facts.guidance,
            "conditioning_scale": settings.conditioning_scale,
            "max_sequence_length": facts.text_tokens,
            # The pipeline puts the last reference in front; the original model is given them in order.
            "reference_images": [Image.fromarray(p) for p in reversed(request.pictures)] or None,
            **control_video(request),
        }
        if self._two_experts:
            arguments["guidance_scale_2"] = settings.guidance_low or arguments["guidance_scale"]
        if settings.hold and (hold := Hold.of(request, arguments["num_inference_steps"])):
            arguments["callback_on_step_end"] = hold
        return arguments

    def forward_passes(self, request: ShotRequest, settings: VaceSettings) -> int:
        """See :meth:`DiffusersBackbone.forward_passes`; guidance is a second pass."""
        facts = self._facts()
        return (settings.steps or facts.steps) * (2 if (settings.guidance or facts.guidance) > 1 else 1)

    def estimate(self, width: int, height: int, frames: int, memory: int) -> Estimate:
        """What one shot of this size takes with the chosen profile; loads no weights."""
        folder = self._folder_if_there()
        parts = ("transformer", "text_encoder", "vae")
        configs = None if folder is None else {part: read_config(folder, part) for part in parts}
        counted = self._count((width, height), frames, memory)
        plain = self.forward_passes(ShotRequest("1.1", "", None, width, height, frames, 0), self.settings)
        return estimate_shot(
            self.settings.resolved_profile(),
            counted,
            passes=plain,
            size=(width, height),
            frames=frames,
            memory=memory,
            configs=configs,
            experts=2 if self._two_experts else 1,
        )

    def _count(self, size: tuple[int, int], frames: int, memory: int) -> Counted:
        folder = self._folder_if_there()
        config = VACE_1_3B if folder is None else read_config(folder, "transformer")
        return count_forward(config, size, latent_frames(frames) + memory, self._facts().text_tokens)

    @cached_property
    def _two_experts(self) -> bool:
        folder = self._folder_if_there()
        return folder is not None and read_index(folder, PUBLISHED).get("transformer_2", [None, None])[1] is not None

    def _build(self, folder: Path, profile: Profile) -> Any:
        from diffusers import UniPCMultistepScheduler

        pipeline = super()._build(folder, profile)
        shift = self.settings.flow_shift
        pipeline.scheduler = UniPCMultistepScheduler.from_config(pipeline.scheduler.config, flow_shift=shift)
        return pipeline
