"""Training of the embedded model, its read-out and its CLIP."""
