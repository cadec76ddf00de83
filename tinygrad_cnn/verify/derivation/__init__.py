"""`derive(tensor, wrt)`: the derivation of a gradient as a student would write it, from the definition to the closed form."""

from tinygrad_cnn.verify.derivation.derivation import Derivation, derive

__all__ = ["Derivation", "derive"]
