"""Whether a figure can be read: nothing stands outside of it, and no title over another."""

from itertools import combinations


def assert_readable(figure):
    """Everything drawn lies within the figure, and the texts that stand above or below the panels don't overlap."""
    figure.draw_without_rendering()
    width, height = figure.get_size_inches()
    box = figure.get_tightbbox()
    assert box.x0 >= -0.02, "cut on the left"
    assert box.y0 >= -0.02, "cut at the bottom"
    assert box.x1 <= width + 0.02, "cut on the right"
    assert box.y1 <= height + 0.02, "cut at the top"
    texts = list(figure.texts)
    for axes in figure.axes:
        titles = axes.title, axes._left_title, axes._right_title  # matplotlib has no public way to all three
        texts += [*titles, axes.xaxis.label]
    shown = [(text.get_text(), text.get_window_extent()) for text in texts if text.get_text() and text.get_visible()]
    for (one, first), (other, second) in combinations(shown, 2):
        assert not first.padded(-1).overlaps(second.padded(-1)), f"{one!r} stands over {other!r}"


def picture(axes, i=0):
    """The values of the i-th picture in a panel."""
    return axes.images[i].get_array()
