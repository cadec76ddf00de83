"""The primitives, one file a family: every forward and every backward rule is the formula that it implements."""
