"""The engine's side of visual memory: views over the memory store, reference images, and the cast library."""
