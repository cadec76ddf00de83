"""The page on which a convolution, a transposed convolution or a pooling is played through, forward and backward."""

from tinygrad_cnn.viz.pages.convolution.page import convolution_page

__all__ = ["convolution_page"]
