"""Verification: of gradients and of homework, in exact arithmetic where there is one. Used as `tg.verify`."""

from tinygrad_cnn.verify.assertions import assert_rule, assert_values
from tinygrad_cnn.verify.catalogue import mistakes
from tinygrad_cnn.verify.catalogue.operation import Mistake
from tinygrad_cnn.verify.derivation import Derivation, derive
from tinygrad_cnn.verify.exact import conv2d_formulas, exact
from tinygrad_cnn.verify.gradcheck import GradientCheck, Kink, gradcheck
from tinygrad_cnn.verify.report import Check, Report
from tinygrad_cnn.verify.rules import Counterexample, Diagnosis, RuleCheck, check_rule
from tinygrad_cnn.verify.scalars import ScalarGraph, scalar_graph
from tinygrad_cnn.verify.values import ValueCheck, check_values

__all__ = [
    "Check",
    "Counterexample",
    "Derivation",
    "Diagnosis",
    "GradientCheck",
    "Kink",
    "Mistake",
    "Report",
    "RuleCheck",
    "ScalarGraph",
    "ValueCheck",
    "assert_rule",
    "assert_values",
    "check_rule",
    "check_values",
    "conv2d_formulas",
    "derive",
    "exact",
    "gradcheck",
    "mistakes",
    "scalar_graph",
]
