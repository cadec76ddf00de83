"""Checking a student's backward rules: over a family of cases, with a small counterexample and the mistake's name."""

from tinygrad_cnn.verify.rules.check import check_rule
from tinygrad_cnn.verify.rules.result import Counterexample, Diagnosis, RuleCheck

__all__ = ["Counterexample", "Diagnosis", "RuleCheck", "check_rule"]
