"""Write the package's handwritten digits from scikit-learn's copy of them.

Run from anywhere, with scikit-learn installed: python scripts/make_digits.py
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

DEFAULT_OUT = Path(__file__).resolve().parents[1] / "tinygrad_cnn" / "data" / "digits.npz"


def make_digits(out: Path) -> None:
    """Write images (1797, 8, 8) and labels (1797,) to `out`, both uint8, in scikit-learn's order."""
    source = load_digits()
    images, labels = source.images.astype(np.uint8), source.target.astype(np.uint8)
    if not (np.array_equal(images, source.images) and np.array_equal(labels, source.target)):
        raise ValueError("make_digits: expected whole numbers from 0 to 255, but uint8 changes the values")
    np.savez_compressed(out, images=images, labels=labels)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=DEFAULT_OUT, help="default: %(default)s")
    make_digits(parser.parse_args().out)
