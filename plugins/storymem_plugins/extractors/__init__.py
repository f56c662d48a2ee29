"""Models that metrics look through: embeddings, scores, boxes and faces, from local files.

Each follows the preprocessing and the checkpoint layout of its publisher, and loads nothing until it is asked.
"""
