"""Storyworld: a procedural world of story clips whose truth is known.

`world` says what a clip contains, `sample` draws clips, `episodes` draws stories, `render` makes the
pictures (torch), `caption`, `lexicon` and `understand` are its language, `readout` and `metrics` measure
what a model made of it. Importing this package imports neither torch nor any model library.
"""
