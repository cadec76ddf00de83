"""`derive(tensor, wrt)`: a gradient's derivation as a student writes it, from the definition to the closed form."""

from tinygrad_cnn.verify.derivation.derivation import Derivation, derive

__all__ = ["Derivation", "derive"]
