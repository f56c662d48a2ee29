"""Suites of metrics: what the field publishes, reimplemented, and numbers that need no model.

A suite says which models it looks through by role; the models are plugins of the kind ``encoder``.
"""
