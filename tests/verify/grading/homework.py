"""Small homeworks for the tests: two exercises of plain values, and files that are handed in for them."""

from pathlib import Path

from tinygrad_cnn.verify.grading import Limits, grade

TEACHER = '''
from tinygrad_cnn.verify.grading import Exercise

EXERCISES = [
    Exercise.of_values("double", "twice x", "Return 2 x.", lambda x: 2 * x, "double(x)", [{"x": (2,)}, {"x": (3, 2)}]),
    Exercise.of_values("triple", "thrice x", "Return 3 x.", lambda x: 3 * x, "triple(x)", [{"x": ()}], points=2),
]
'''
TRIPLE = "\n\ndef triple(x):\n    return 3 * x\n"
SHORT = Limits(timeout=2, memory=256)


def write(folder: Path, code: str | bytes, name: str = "hw.py") -> Path:
    """Write a student's file, without the indentation of the test."""
    path = folder / name
    path.write_bytes(code if isinstance(code, bytes) else code.encode())
    return path


def graded(folder: Path, code: str | bytes, name: str = "hw.py", exercises=("double", "triple"), limits=SHORT):
    """Hand in a file for the two exercises."""
    teacher = write(folder, TEACHER, "teacher.py")
    return grade(write(folder, code, name), exercises, limits, teacher)
