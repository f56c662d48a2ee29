"""Training of M2V LoRAs for any Wan image-to-video checkpoint.

Nothing is imported here; `m2v.train_m2v` is the product feature behind ``storymem train m2v``.
"""
