"""What `tinygrad-cnn draw`, `convolution` and `summary` do; `tinygrad_cnn.cli` reads their options."""
