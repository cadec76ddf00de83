"""One 5x5 convolution, or two of 3x3? Both see 5x5 pixels; the pair has fewer parameters and one more non-linearity.

    python examples/receptive_field.py
"""

import numpy as np

import tinygrad_cnn as tg
from tinygrad_cnn import nn

C = 16  # channels


def networks():
    one = nn.Sequential(nn.Conv2d(C, C, 5, padding=2), nn.ReLU())
    two = nn.Sequential(
        nn.Conv2d(C, C, 3, padding=1), nn.ReLU(),
        nn.Conv2d(C, C, 3, padding=1), nn.ReLU(),
    )  # fmt: skip
    return one, two


def pixels_seen(network, row, column):
    """Where the gradient of one output pixel is not zero: the pixels of the input that it was computed from.

    All weights are made positive, so that no gradient cancels another and no ReLU is shut.
    """
    for parameter in network.parameters():
        parameter.data = np.abs(parameter.data) + 0.1
    image = tg.tensor(np.ones((1, C, 9, 9)), dtype="float32", requires_grad=True)
    network(image)[0, 0, row, column].backward()
    return image.grad.numpy()[0, 0] != 0


def show(seen):
    print("\n".join("".join(" #" if pixel else " ." for pixel in row) for row in seen))


def main():
    one, two = networks()
    comparison = tg.viz.compare(one, two, (1, C, 9, 9), names=("one 5x5", "two 3x3"))
    print(comparison)
    print("\nWhat the pixel in the middle sees, by the gradient; the same for both:\n")
    show(pixels_seen(two, 4, 4))
    print("\nand the pixel in the corner, where the padding stands for the rest:\n")
    show(pixels_seen(two, 0, 0))
    same = all(np.array_equal(pixels_seen(one, *at), pixels_seen(two, *at)) for at in [(4, 4), (0, 0), (8, 3)])
    return comparison, same


if __name__ == "__main__":
    main()
