"""Backbones whose model is run by a server: one base for jobs over HTTP, and a small adapter for each protocol."""
