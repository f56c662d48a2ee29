"""Plugins for storymem: a memory policy, a backbone wrapper and a frame filter."""
