"""What goes wrong at the borders of dX wherever windows slide over X: in convolutions and in pools."""

from __future__ import annotations

from tinygrad_cnn.verify.catalogue.operation import Mistake

BORDERS = (
    Mistake(
        "padding-not-taken-off",
        "The padding was not taken off: the gradient of the padded X has to be cut back to X's own pixels.",
        ("x",),
        ({"padding": "kept"},),
    ),
    Mistake(
        "padding-taken-off-at-one-end",
        "The padding was taken off at the bottom and right only: it is cut off on both sides, dX[p:p + H, p:p + W].",
        ("x",),
        ({"padding": "at one end"},),
    ),
    Mistake(
        "sliced-to-minus-zero",
        "dX[p:-p] is empty where p is 0, since -0 is 0: take the padding off by dX[p:p + H, p:p + W].",
        ("x",),
        ({"padding": "sliced to -0"},),
    ),
    Mistake(
        "remainder-rows-lost",
        "The last rows or columns of X, which no window reached, are missing: their gradient is zero, but they belong "
        "to dX.",
        ("x",),
        ({"size": "as it comes"}, {"size": "clipped"}),
    ),
)
