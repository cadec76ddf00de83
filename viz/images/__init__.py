"""Photographs and the kernels that filter them."""
