"""What can go wrong when a student's code runs on traced numbers."""

from __future__ import annotations


class TracingError(TypeError):
    """Code that can't be run on exact numbers, scalar tensors or symbols."""


class CutOff(TracingError):  # noqa: N818 - it says what happened
    """A value was about to become a plain number, which no gradient passes."""


class NotExact(TracingError):  # noqa: N818
    """A function whose value is no fraction; `function` is its name. Floats or symbols can have it.

    >>> NotExact("exp", "1/2").function
    'exp'
    """

    def __init__(self, function: str, *operands: object) -> None:
        self.function = function
        shown = ", ".join(map(str, operands))
        super().__init__(f"{function}: {function}({shown}) is no fraction; use float64, or sympy symbols for a formula")


class NotTraceable(TracingError):  # noqa: N818
    """A function that is written for floats alone; `function` is its name.

    >>> NotTraceable("np.fft.fft2", "needs floats").function
    'np.fft.fft2'
    """

    def __init__(self, function: str, reason: str) -> None:
        self.function, self.reason = function, reason
        super().__init__(f"{function}: can't be traced: {reason}")
