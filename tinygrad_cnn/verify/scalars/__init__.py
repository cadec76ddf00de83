"""The scalar graph behind a tensor: every entry a node, with names, paths and formulas."""

from tinygrad_cnn.verify.scalars.graph import ScalarGraph, scalar_graph

__all__ = ["ScalarGraph", "scalar_graph"]
