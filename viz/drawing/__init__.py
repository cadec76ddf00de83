"""Graphs in the DOT language, and from there to pictures and layouts."""
