"""What figures of a network are computed by, without matplotlib: saliency, activation, coverage, mistakes."""
