"""StoryMem: multi-shot long video storytelling with memory, as a plugin framework (arXiv 2512.19539)."""
