"""An instant storyboard preview that needs no model: the contract of a video backbone, drawn with Pillow."""
