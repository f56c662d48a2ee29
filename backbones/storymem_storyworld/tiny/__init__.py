"""The embedded model: a small but real Wan M2V, trained on the storyworld, that runs on a laptop's processor."""
