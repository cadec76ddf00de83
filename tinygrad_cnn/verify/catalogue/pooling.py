"""Max and average pooling: their arguments, their families of cases, and what goes wrong in their rules."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from tinygrad_cnn.primitives.adaptive_pool import global_avg_pool
from tinygrad_cnn.primitives.avgpool import avg_pool1d, avg_pool2d, avg_pool3d
from tinygrad_cnn.primitives.maxpool import max_pool1d, max_pool2d, max_pool3d
from tinygrad_cnn.primitives.padding import pad
from tinygrad_cnn.verify.catalogue.chain_rule import upstream_missing
from tinygrad_cnn.verify.catalogue.convolution import DILATION_NAMES, IMAGE_NAMES, PADDING_NAMES, STRIDE_NAMES
from tinygrad_cnn.verify.catalogue.operation import Case, Layout, Mistake, Operation
from tinygrad_cnn.verify.catalogue.pooling_rules import average_gradient, global_average_gradient, max_gradient
from tinygrad_cnn.verify.catalogue.windows import BORDERS

SIZE_NAMES = (
    "size", "pool_size", "pool", "window", "window_size", "win", "kernel", "ksize", "k_size", "filter_size", "k", "K",
    "f", "F", "n", "w",
)  # fmt: skip
OPTION_NAMES = {
    "kernel_size": SIZE_NAMES,
    "stride": STRIDE_NAMES,
    "padding": PADDING_NAMES,
    "dilation": DILATION_NAMES,
    "ceil_mode": ("ceil",),
}
DEFAULTS = {"kernel_size": 2, "stride": None, "padding": 0, "dilation": 1, "ceil_mode": False}
TIES = ({"ties": "last"}, {"ties": "split"})

# In both

PLACES = (
    Mistake(
        "overwritten-instead-of-added",
        "Overlapping windows overwrote each other: an entry that several windows share sums what they give it, += and "
        "not =.",
        ("x",),
        ({"added": "overwritten"}, {"added": "overwritten by windows"}),
    ),
    Mistake(
        "window-stride-ignored",
        "The stride was ignored: window (i, j) begins at row s i and column s j, not at i and j.",
        ("x",),
        ({"stride": "ignored"}, {"stride": "ignored where it is written"}),
    ),
    Mistake(
        "kernel-size-as-stride",
        "The window's size was taken for the stride: window (i, j) begins at row s i and column s j, also where "
        "windows overlap or leave gaps.",
        ("x",),
        ({"stride": "of the size of the window"},),
    ),
    *BORDERS,
    Mistake(
        "last-windows-lost",
        "The last row and column of windows are missing: a loop ends one too early.",
        ("x",),
        ({"windows": "all but the last"},),
    ),
    upstream_missing({"upstream": "ones"}, operands=("x",)),
)

MAX = (
    Mistake(
        "gradient-to-every-tie",
        "Several entries of a window are largest, and each got the whole gradient: together they may get it once, the "
        "first one (np.argmax), or each an equal share.",
        ("x",),
        ({"ties": "every"},),
    ),
    Mistake(
        "gradient-to-wrong-winner",
        "A window's gradient went to another place than that of its largest entry.",
        ("x",),
        (
            {"winner": "smallest"},
            {"winner": "first entry"},
            {"winner": "last entry"},
            {"winner": "rows and columns exchanged"},
            {"winner": "of the largest magnitude"},
            {"winner": "of the first channel"},
            {"winner": "of the first image"},
        ),
    ),
    Mistake(
        "window-offset-forgotten",
        "The winner's place in its window was taken for its place in X: the window begins at row s i and column s j, "
        "and that is to be added.",
        ("x",),
        ({"stride": "forgotten"}, {"stride": "forgotten", "added": "overwritten"}),
    ),
    Mistake(
        "spread-like-an-average",
        "The gradient was spread over the whole window, as in an average: only the largest entry made the output.",
        ("x",),
        ({"winner": "every entry, in shares"},),
    ),
    Mistake(
        "gradient-to-every-entry",
        "Every entry of the window got the gradient: only the largest made the output.",
        ("x",),
        ({"winner": "every entry"},),
    ),
    Mistake(
        "gradient-times-value",
        "The gradient was multiplied by the winner's value: Z is that value itself, so that its derivative is 1.",
        ("x",),
        ({"times": "value"},),
    ),
)
PADDING_WINS = Mistake(
    "padding-wins",
    "The zeros of the padding took part, and won where all pixels of a window are negative: the padding of a max-pool "
    "never wins.",
    ("x",),
    ({"border": "zero"},),
)

AVERAGE = (
    Mistake(
        "not-divided-by-window",
        "The gradient was not divided: an average is a sum divided by the number of entries of the window, and so is "
        "each one's share of the gradient.",
        ("x",),
        ({"divided": "not"},),
    ),
    Mistake(
        "divided-by-one-side",
        "The gradient was divided by the window's side: a window of k by k has k^2 entries.",
        ("x",),
        ({"divided": "by one side"},),
    ),
    Mistake(
        "divided-by-input-size",
        "The gradient was divided by the size of X: it is shared by the entries of one window.",
        ("x",),
        ({"divided": "by the image"}, {"divided": "by the input"}),
    ),
    Mistake(
        "divided-by-output-size",
        "The gradient was divided by the size of Z: it is shared by the entries of one window.",
        ("x",),
        ({"divided": "by the output's pixels"}, {"divided": "by the output"}),
    ),
    Mistake(
        "to-one-entry",
        "Only one entry of the window got the gradient, as in a max-pool: all of them made the average, and share it.",
        ("x",),
        (
            {"to": "largest", "divided": "not"},
            {"to": "first entry", "divided": "not"},
            {"to": "largest"},
            {"to": "first entry"},
        ),
    ),
    Mistake(
        "wrong-count-at-border",
        "At the border the gradient was divided by a wrong count: what the forward divided by, the backward does, too.",
        ("x",),
        ({"counted": "all"}, {"counted": "pixels"}, {"counted": "pixels and padding"}),
    ),
)

FORMULAS = {
    "max": "dX = dZ at each window's largest entry, zero at the others, added up where windows overlap",
    "average": "dX = dZ / (number of entries of the window) at each of them, added up where windows overlap",
    "global": "dX = dZ / (number of pixels) at every pixel",
}


def _case(
    n: int, size: Any, kernel: int, images: tuple[int, int] = (1, 1), data: str = "distinct", **options: Any
) -> Case:
    """A case with n spatial axes, of the last n sizes given."""
    return Case({"x": (*images, *size[-n:])}, {"kernel_size": kernel, **options}, data)


def _family(n: int, ties: bool) -> tuple[Case, ...]:
    """The stride left out, then given: larger than the window, as large, and overlapping windows; then every option.

    All are integers: not every forward takes pairs.
    """
    case = partial(_case, n)
    tied = [partial(case, data="ties")] if ties else []
    return (
        case((2, 2, 2), 2),
        case((2, 4, 4), 2),
        case((2, 5, 4), 2),
        case((2, 3, 5), 2),
        case((3, 3, 7), 3),
        case((1, 2, 3), 1),
        *(each((2, 4, 4), 2) for each in tied),
        case((2, 4, 4), 2, stride=2),
        case((2, 4, 5), 2, stride=2),
        case((2, 3, 3), 2, stride=1),
        case((2, 3, 4), 2, stride=1),
        case((3, 5, 5), 3, stride=2),
        case((3, 4, 6), 3, stride=2),
        case((2, 5, 6), 2, stride=3),
        case((2, 3, 4), 1, stride=2),
        *(each((2, 3, 4), 2, stride=1) for each in tied),
        *(each((3, 5, 5), 3, stride=2) for each in tied),
        case((2, 3, 3), 2, padding=1),
        case((2, 3, 4), 3, stride=2, padding=1),
        case((2, 4, 4), 3, stride=1, padding=1),
        *(each((2, 3, 3), 2, stride=1, padding=1) for each in tied),
        case((3, 4, 5), 2, stride=1, dilation=2),
        case((2, 5, 5), 2, stride=2, padding=1, dilation=2),
        case((2, 3, 5), 2, ceil_mode=True),
        case((3, 4, 4), 3, stride=2, padding=1, ceil_mode=True),
        case((2, 4, 4), 2, (1, 2)),
        case((2, 4, 3), 2, (2, 2)),
        case((2, 4, 3), 2, (2, 2), stride=2),
        case((2, 3, 3), 2, (2, 2), stride=1),
        case((2, 3, 4), 2, (3, 2), stride=2, padding=1),
        *(each((2, 3, 3), 2, (2, 2), stride=1) for each in tied),
    )


def _averages(n: int) -> tuple[Case, ...]:
    """As for a max-pool, and the padding not counted."""
    case = partial(_case, n)
    return (
        *_family(n, ties=False),
        case((2, 3, 3), 2, stride=1, padding=1, count_include_pad=False),
        case((2, 4, 5), 3, stride=2, padding=1, count_include_pad=False),
        case((3, 4, 4), 3, stride=2, padding=1, ceil_mode=True, count_include_pad=False),
        case((2, 3, 3), 2, (2, 2), stride=2, padding=1, count_include_pad=False),
    )


LAYOUTS = (
    Layout("a batch of images"),
    Layout("one image", {"x": 1, "z": 1}),
    Layout("one image of one channel", {"x": 2, "z": 2}),
)


def _channels_last(n: int) -> tuple[Layout, ...]:
    order = dict.fromkeys(("x", "z"), (0, *range(2, n + 2), 1))
    return (
        Layout("a batch of images, channels last", order=order),
        Layout("one image, channels last", {"x": 1, "z": 1}, order=order),
    )


def _operation(
    name: str, n: int, function: Callable[..., Any], rule: Callable[..., Any], kind: str, **others: Any
) -> Operation:
    """A pool over n spatial axes; over all of them where n is 0."""
    return Operation(
        name=name,
        function=function,
        operands={"x": IMAGE_NAMES},
        layouts=(*LAYOUTS, *_channels_last(n)) if n else LAYOUTS,
        rules={"x": rule},
        formulas={"x": FORMULAS[kind]},
        **others,
    )


def _max_pool(n: int, function: Callable[..., Any]) -> Operation:
    return _operation(
        f"max_pool{n}d",
        n,
        function,
        max_gradient,
        "max",
        options=OPTION_NAMES,
        defaults=DEFAULTS,
        cases=_family(n, ties=True),
        mistakes=(*MAX, PADDING_WINS, *PLACES),
        conventions=TIES,
    )


def _max_pool_of_zero_padded() -> Operation:
    """The maximum with the padding's zeros, which is what `np.pad` and then a max-pool gives."""

    def function(x: Any, kernel_size: Any, stride: Any, padding: Any) -> Any:
        widths = padding if isinstance(padding, tuple) else (padding,) * 2
        return max_pool2d(pad(x, [(0, 0), (0, 0), *((p, p) for p in widths)]), kernel_size, stride)

    names = ("kernel_size", "stride", "padding")
    return _operation(
        "max_pool2d of the zero-padded image",
        2,
        function,
        partial(max_gradient, border="zero"),
        "max",
        options={name: OPTION_NAMES[name] for name in names},
        defaults={name: DEFAULTS[name] for name in names},
        cases=tuple(case for case in _family(2, ties=True) if set(case.options) <= set(names)),
        mistakes=(*MAX, *PLACES),
        conventions=TIES,
    )


def _avg_pool(n: int, function: Callable[..., Any]) -> Operation:
    return _operation(
        f"avg_pool{n}d",
        n,
        function,
        average_gradient,
        "average",
        options=OPTION_NAMES | {"count_include_pad": ()},
        defaults=DEFAULTS | {"count_include_pad": True},
        cases=_averages(n),
        mistakes=tuple(m for m in (*AVERAGE, *PLACES) if n > 1 or m.name != "divided-by-one-side"),
    )


def _global_avg_pool(name: str, function: Callable[..., Any]) -> Operation:
    sizes = ((1, 1, 2, 2), (1, 1, 3, 3), (1, 1, 2, 3), (1, 1, 1, 1), (1, 2, 2, 2), (2, 3, 2, 2), (3, 2, 1, 4))
    possible = ("not-divided-by-window", "divided-by-one-side", "to-one-entry", "upstream-missing")
    return _operation(
        name,
        0,
        function,
        global_average_gradient,
        "global",
        options={},
        defaults={},
        cases=tuple(Case({"x": size}) for size in sizes),
        mistakes=tuple(mistake for mistake in (*AVERAGE, *PLACES) if mistake.name in possible),
    )


OPERATIONS = (
    _max_pool(2, max_pool2d),
    _avg_pool(2, avg_pool2d),
    _max_pool_of_zero_padded(),
    _max_pool(1, max_pool1d),
    _avg_pool(1, avg_pool1d),
    _max_pool(3, max_pool3d),
    _avg_pool(3, avg_pool3d),
    _global_avg_pool("global_avg_pool", global_avg_pool),
    _global_avg_pool("global_avg_pool with keepdims=True", partial(global_avg_pool, keepdims=True)),
)
