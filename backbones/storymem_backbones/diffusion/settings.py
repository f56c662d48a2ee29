"""Settings that every backbone on diffusers has. Plain data: importing this module imports no torch."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from storymem.interfaces.plugin import NotInFingerprint, PluginSettings
from storymem_backbones.diffusion.profiles import Profile, resolve_profile

NEGATIVE_PROMPT = (
    "blurry, low quality, overexposed, static picture, subtitles, watermark, deformed hands, extra fingers, "
    "extra limbs, distorted face, duplicated people, cluttered background"
)


class Caching(BaseModel):
    """Skipping work between similar steps; faster, and another picture. Off by default.

    Attributes:
        method: "first_block" skips a step whose first block hardly changed; "taylorseer" predicts layers in
            between full steps; "magcache" skips by measured magnitude ratios.
        threshold: Of "first_block" and "magcache": higher is faster and less exact.
        interval: Of "taylorseer": full steps are this far apart.
        order: Of "taylorseer": order of the prediction.
        first_steps: Steps at the start that are always made in full ("taylorseer").
        ratios_high: Of "magcache": one ratio for each step of the high-noise (or only) expert.
        ratios_low: The same of the low-noise expert.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    method: Literal["first_block", "taylorseer", "magcache"] = "first_block"
    threshold: float = Field(0.05, gt=0)
    interval: int = Field(4, ge=2)
    order: int = Field(1, ge=0, le=3)
    first_steps: int = Field(5, ge=1)
    ratios_high: tuple[float, ...] = ()
    ratios_low: tuple[float, ...] = ()


class DiffusionSettings(PluginSettings):
    """What is None is taken from the model folder, or else from what is published of the model.

    Attributes:
        weights: Model folder in diffusers format, or a Hugging Face repository.
        revision: 40-character commit of the repository; required for a repository.
        steps: Denoising steps.
        negative_prompt: Used where a shot has none.
        profile: 141gb, 80gb, 48gb, 24gb, cpu, or a TOML file.
        profile_changes: Fields of the profile to change.
    """

    weights: str
    revision: str | None = None
    steps: int | None = Field(None, ge=1)
    negative_prompt: str = NEGATIVE_PROMPT
    profile: Annotated[str, NotInFingerprint()] = "80gb"
    profile_changes: Annotated[dict[str, Any], NotInFingerprint()] = Field(default_factory=dict)

    def resolved_profile(self) -> Profile:
        """The profile with its changes.

        Raises:
            SettingsError: If the profile is unknown or a change is wrong.
        """
        return resolve_profile(self.profile, self.profile_changes)
