"""What the tests of captured steps share."""

import tinygrad_cnn as tg

X = tg.tensor([1.0, 2.0], name="x")
W = tg.tensor([3.0, 4.0], requires_grad=True)


def replays(step):
    """How often a step was replayed."""
    return sum(r.count for entry in step._entries.values() for r in entry.recordings)


def source_of(step):
    """The program of a step that has one."""
    (source,) = [r.source for entry in step._entries.values() for r in entry.recordings]
    return source
