"""`python -m tinygrad_cnn`: the command line."""

import sys

from tinygrad_cnn.cli import main

if __name__ == "__main__":
    sys.exit(main())
