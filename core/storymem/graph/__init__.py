"""The graph of shots: what must be made before what."""

from storymem.graph.shotgraph import Edge, ShotGraph, build_graph

__all__ = ["Edge", "ShotGraph", "build_graph"]
