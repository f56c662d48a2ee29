"""Storyworld: a procedural world of story clips whose truth is known, and the model that is trained on it.

- `world` says what a clip contains and draws random ones; `stories` makes whole stories of them.
- `draw` makes the pictures (torch); `language` says and understands what is in them.
- `readout` reads the truth back from pictures; `clip` is a CLIP of this world; `measure` and `bench` say
  what a model made of a story.
- `train` trains all of it; `tiny` is the embedded backbone, with its weights.

Importing this package imports neither torch nor any model library.
"""
