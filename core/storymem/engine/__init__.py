"""Walks the shot graph: recall, hand over, generate, select, filter, admit; every result kept by its hash."""
