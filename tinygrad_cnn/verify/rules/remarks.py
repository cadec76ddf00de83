"""What can be said of a wrong rule that no mistake of the catalogue explains."""

from __future__ import annotations

from tinygrad_cnn.verify.rules.trials import Trial


def remarks(name: str, trials: list[Trial]) -> list[str]:
    """Sentences on where the rule is right and where it is wrong."""
    return ["No mistake in the catalogue explains it."]
