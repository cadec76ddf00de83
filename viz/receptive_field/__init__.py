"""Receptive fields: which pixels of the input the units of every tensor are computed from."""

from tinygrad_cnn.viz.receptive_field.fields import AxisField, ReceptiveField, receptive_fields

__all__ = ["AxisField", "ReceptiveField", "receptive_fields"]
