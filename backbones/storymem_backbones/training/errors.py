"""What can go wrong in training; each error is one line that says what to do."""

from storymem.errors import SettingsError


class TrainingDataError(SettingsError):
    """A data folder that cannot be trained on."""


class TrainingError(SettingsError):
    """Settings or a checkpoint that training cannot continue with."""
