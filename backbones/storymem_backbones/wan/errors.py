"""What can go wrong in the Wan backbone; each error is one line that says what to do."""

from storymem.errors import SettingsError, ShotError


class GeometryError(SettingsError):
    """A size, a frame count or a number of steps that the model cannot make."""


class ConditioningError(ShotError):
    """Memory or condition frames that do not fit the clip."""


class LoraError(SettingsError):
    """A LoRA file that cannot be applied as it is."""


class WeightsError(SettingsError):
    """Weights that are missing or are not those of a Wan image-to-video model."""


class GenerationError(ShotError):
    """A clip that could not be finished."""
