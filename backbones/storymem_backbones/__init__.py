"""Video backbones for StoryMem.

Each sub-package is one backbone and loads its heavy dependencies only when used; importing this package imports none.
"""
