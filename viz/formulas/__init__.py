"""The formula of every operation: what it computes, and the rule for each operand's gradient, in one line each."""

from tinygrad_cnn.viz.formulas.lines import Formula, formula

__all__ = ["Formula", "formula"]
