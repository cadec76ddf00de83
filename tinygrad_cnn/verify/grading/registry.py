"""Which exercises there are: the built-in ones, and those in a file of the teacher's."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from tinygrad_cnn.verify.grading.exercise import Exercise


def exercises(own: str | Path | None = None) -> dict[str, Exercise]:
    """The exercises by name; those of the teacher's file come first, and replace built-in ones of the same name.

    The file is run as a module, and every `Exercise` in one of its variables, or in a list or tuple there, counts.

    Raises:
        ValueError: the file can't be run, or has no exercises or two of one name.

    >>> sorted(exercises())[:3]
    ['average-pool-backward', 'average-pool-forward', 'batch-norm-backward']
    """
    from tinygrad_cnn.verify.grading.builtin import EXERCISES

    found = {} if own is None else _of_file(Path(own))
    return found | {exercise.name: exercise for exercise in EXERCISES if exercise.name not in found}


def _of_file(path: Path) -> dict[str, Exercise]:
    if not path.is_file():
        raise ValueError(f"exercises: there is no file {path}")
    spec = importlib.util.spec_from_file_location(f"exercises_of_{path.stem}", path)
    if spec is None or spec.loader is None:
        raise ValueError(f"exercises: {path} is no Python file (.py)")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        raise ValueError(f"exercises: {path}: {type(error).__name__}: {error}") from error
    found: dict[str, Exercise] = {}
    for value in vars(module).values():
        for exercise in value if isinstance(value, list | tuple) else (value,):
            if isinstance(exercise, Exercise) and found.setdefault(exercise.name, exercise) is not exercise:
                raise ValueError(f"exercises: {path}: two exercises are called {exercise.name!r}")
    if not found:
        raise ValueError(f"exercises: {path} defines no tinygrad_cnn.verify.grading.Exercise")
    return found
