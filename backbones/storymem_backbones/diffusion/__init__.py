"""What video models on diffusers have in common, and the base on which a new one is a small file.

`backbone.DiffusersBackbone` is the base: a model declares its pipeline, facts and licence in a `card.ModelCard` and
maps a request to the pipeline's arguments. Importing this package imports neither torch nor diffusers.
"""
