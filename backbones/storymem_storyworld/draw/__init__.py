"""Clips as pictures: one batched tensor program."""
