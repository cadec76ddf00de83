"""Grading: a student's file run in processes of its own with limits, and judged exercise by exercise."""

from tinygrad_cnn.verify.grading.exercise import Exercise
from tinygrad_cnn.verify.grading.grader import grade
from tinygrad_cnn.verify.grading.limits import Limits
from tinygrad_cnn.verify.grading.process import Output
from tinygrad_cnn.verify.grading.registry import exercises
from tinygrad_cnn.verify.grading.rendering import FunctionResult
from tinygrad_cnn.verify.grading.results import ExerciseResult, Grade

__all__ = ["Exercise", "ExerciseResult", "FunctionResult", "Grade", "Limits", "Output", "exercises", "grade"]
