"""What can go wrong in a backbone on diffusers; each error is one line that says what to do."""

from storymem.errors import SettingsError, ShotError


class GeometryError(SettingsError):
    """A size, a frame count or a number of steps that the model cannot make."""


class ConditioningError(ShotError):
    """Memory or condition frames that do not fit the clip."""


class WeightsError(SettingsError):
    """Weights that are missing or are not those of the model."""


class GenerationError(ShotError):
    """A clip that could not be finished."""
