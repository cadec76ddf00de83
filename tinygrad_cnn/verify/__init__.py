"""Verification: gradients against numerical ones, formulas in exact arithmetic, reports. Used as `tg.verify`."""

from tinygrad_cnn.verify.exact import conv2d_formulas, exact
from tinygrad_cnn.verify.gradcheck import gradcheck
from tinygrad_cnn.verify.report import Check, Report

__all__ = ["Check", "Report", "conv2d_formulas", "exact", "gradcheck"]
