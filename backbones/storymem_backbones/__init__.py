"""Video backbones for StoryMem.

Each sub-package loads its heavy dependencies only when used; importing this package imports none.
"""
