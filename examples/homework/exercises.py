"""Exercises of a teacher's own: tinygrad-cnn verify homework.py --exercises exercises.py"""

import numpy as np

from tinygrad_cnn.verify.grading import Exercise


def edges(image):
    """Horizontal differences: where the image gets brighter from left to right."""
    return image[:, 1:] - image[:, :-1]


EXERCISES = [
    # The forward is the student's own function; its gradient is that of the scalar graph that its code makes.
    Exercise.of_rules(
        "own-layer",
        "a layer of your own and its gradients",
        "Write forward(X, W) as you like, with loops or NumPy, and the gradients of the loss with respect to X and W.",
        forward="forward(X, W)",
        rules={"X": "dX(dZ, X, W)", "W": "dW(dZ, X, W)"},
        cases=[{"X": (1, 2), "W": (2, 2)}, {"X": (2, 3), "W": (3, 2)}],
        points=2,
    ),
    # Plain values: a shape stands for random integers.
    Exercise.of_values(
        "edges",
        "an edge detector",
        "Write edges(image): every pixel minus its left neighbour.",
        reference=edges,
        function="edges(image)",
        cases=[{"image": (1, 2)}, {"image": (3, 4)}],
        mistakes={
            "the left minus the right": lambda image: -edges(image),
            "the pixel above, not the left one": lambda image: np.diff(image, axis=0),
        },
    ),
]
