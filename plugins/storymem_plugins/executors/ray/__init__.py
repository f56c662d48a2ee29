"""Shots on a Ray cluster."""
