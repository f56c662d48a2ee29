"""Readers and writers of script files: the project's own form and those of public projects and benchmarks."""
