"""Evaluates films: any suite on any film, partial results and all, as a table, JSON or CSV; and compares runs.

Knows suites and models by their interfaces alone.
"""
