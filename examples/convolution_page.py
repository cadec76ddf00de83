"""A convolution, a pooling and a transposed convolution at work: pages that play forward and backward, to be edited.

    python examples/convolution_page.py [FOLDER]

Open a page in a browser. Play, or step with the arrow keys; change a number, the kernel, the stride or the border, and
everything is computed anew.
"""

import sys
from pathlib import Path

import numpy as np

import tinygrad_cnn as tg


def main(folder="."):
    folder = Path(folder)
    image = np.array([[3, 0, 1, 2, 7, 4], [1, 5, 8, 9, 3, 1], [2, 7, 2, 5, 1, 3],
                      [0, 1, 3, 1, 7, 8], [4, 2, 1, 6, 2, 8], [2, 4, 5, 2, 3, 9]])  # fmt: skip

    # The lectures' vertical edges with a stride of 2: the window, its products, and backward dX, dK and dB.
    dz = [[1, 0, 2], [-1, 3, 0], [2, 1, -1]]
    page = tg.viz.convolution_page(image, "vertical_edges", bias=1, stride=2, padding=1, dz=dz)
    print(page.write(folder / "convolution.html"))

    # A max-pool: the gradient goes back to the winner of each window, and adds up where windows overlap.
    page = tg.viz.convolution_page(image, operation="max_pool2d", kernel_size=3, stride=2)
    print(page.write(folder / "max_pool.html"))

    # A transposed convolution: stamps of the kernel that overlap, unevenly where the stride does not divide its size.
    page = tg.viz.convolution_page(image[:3, :3], np.ones((1, 1, 3, 3)), operation="conv_transpose2d", stride=2)
    print(page.write(folder / "transposed_convolution.html"))


if __name__ == "__main__":
    main(*sys.argv[1:])
