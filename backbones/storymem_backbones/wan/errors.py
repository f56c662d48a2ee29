"""What can go wrong in the Wan backbone beyond `storymem_backbones.diffusion.errors`."""

from storymem.errors import SettingsError


class LoraError(SettingsError):
    """A LoRA file that cannot be applied as it is."""
