"""The embedded CLIP and its quality head, with their weights."""
