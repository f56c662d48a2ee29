"""Clips, frames and the files that hold them. Knows nothing about shots, stories or takes."""
