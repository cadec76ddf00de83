"""What a scalar graph is made of: its expansion from a tensor's graph, names, paths and formulas."""
