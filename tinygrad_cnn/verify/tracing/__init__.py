"""Running a student's plain NumPy code, as it is written, on exact numbers, scalar tensors and symbols."""

from tinygrad_cnn.verify.tracing.arithmetic import fraction_of
from tinygrad_cnn.verify.tracing.arrays import TracedArray, numbers, values
from tinygrad_cnn.verify.tracing.errors import CutOff, NotExact, NotTraceable, TracingError
from tinygrad_cnn.verify.tracing.execution import Run, Traced, arithmetic_of, run, trace
from tinygrad_cnn.verify.tracing.number import Number
from tinygrad_cnn.verify.tracing.shadow import shadowed

__all__ = [
    "CutOff",
    "NotExact",
    "NotTraceable",
    "Number",
    "Run",
    "Traced",
    "TracedArray",
    "TracingError",
    "arithmetic_of",
    "fraction_of",
    "numbers",
    "run",
    "shadowed",
    "trace",
    "values",
]
