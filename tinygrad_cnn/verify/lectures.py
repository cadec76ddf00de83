"""The worked examples of five lecture decks, computed again in exact arithmetic and held against what the decks print.

The numbers stand in lectures.json, by deck ("000" to "004"): cross-correlations and a true convolution (decks 000, 001,
002, 004), padding (000), pooling (001, 002), transposed convolution (001), output sizes and numbers of parameters,
the table of a network like LeNet-5 (002; 001's version shares parameters), image kernels (000, 002), and lecture 14's
formulas of a convolution's backward (004), of which it sets dL/dK and dL/dX as homework. Where a deck misprints a
number, the file has the right one beside it, for the tests; nothing here reads it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from importlib.resources import files
from itertools import chain
from math import prod
from typing import Any

import numpy as np

from tinygrad_cnn.primitives.avgpool import avg_pool2d
from tinygrad_cnn.primitives.conv2d import conv2d, convolve2d
from tinygrad_cnn.primitives.conv_transpose import conv_transpose2d
from tinygrad_cnn.primitives.matmul import linear
from tinygrad_cnn.primitives.maxpool import max_pool2d
from tinygrad_cnn.primitives.padding import pad
from tinygrad_cnn.primitives.shape import broadcast_to, reshape
from tinygrad_cnn.tensor import tensor
from tinygrad_cnn.verify.excerpt import index, number
from tinygrad_cnn.verify.report import Check, Report
from tinygrad_cnn.verify.values import check_values
from tinygrad_cnn.walk import grad

TITLE = "the lectures' worked examples"


@dataclass(frozen=True, eq=False)
class Example:
    """A worked example, which a student can do again.

    Attributes:
        name: of the example.
        decks: those that have it; empty where every deck may.
        question: what is to be computed.
        given: the arrays of the question, by name, of fractions.
        answer: what is right, computed by the library in exact arithmetic.
        printed: what the decks have.
        mistakes: what known mistakes would give, by a sentence for each.

    >>> example = next(e for e in examples() if e.name == "strided convolution")
    >>> example.question
    'Cross-correlate the image with the kernel, stride 2, no padding.'
    >>> example.check("91 100 88; 69 91 117; 44 72 74").passed, example.check(example.printed).passed
    (True, False)
    """

    name: str
    decks: tuple[str, ...]
    question: str
    given: Mapping[str, Any]
    answer: Any
    printed: Any
    mistakes: Mapping[str, Any] = field(default_factory=dict)

    def check(self, actual: Any) -> Report:
        """A student's answer, numbers or text, against the right one, as `check_values`."""
        return check_values(self.answer, actual, name=self.name, title=self.question, mistakes=self.mistakes)


@dataclass(frozen=True, eq=False)
class RuleExercise:
    """A homework that asks for backward formulas, in the form that `check_rule` takes.

    Attributes:
        name: of the exercise.
        decks: those that set it.
        question: what is to be written.
        forward: the function of tensors whose gradient is sought.
        functions: for each argument of the forward, what a student's function of its gradient is called, and its
            arguments: {"X": "dX(dZ, K)"}.
        cases: shapes of the arguments.
    """

    name: str
    decks: tuple[str, ...]
    question: str
    forward: Callable[..., Any]
    functions: Mapping[str, str]
    cases: tuple[Mapping[str, Any], ...]


def lectures() -> Report:
    """Verify every worked example of the lecture decks: what they print against what the library computes, exactly.

    There is a check for each example: `expected` is the library's result in fractions, `actual` what the decks print.
    The report fails, as it should, in two: deck 004 prints 21 and -21 where 19 and -19 are right, decks 001 and 002
    print 83 and 127 where 88 and 117 are right; so `tinygrad-cnn verify lectures` ends with the status of a failure, 1.
    Any other failure would be the library's own.

    >>> report = lectures()
    >>> [check.name for check in report.failures]
    ['strided convolution', 'vertical edges, lecture 14']
    >>> report["strided convolution"].notes
    ('printed 83 for 88 at [0, 2], 127 for 117 at [1, 2]',)
    """
    notes = [f"deck {deck}: {title}" for deck, title in _cases()["decks"].items()]
    notes.append("expected is what the library computes in exact arithmetic, actual what the decks print")
    return Report(TITLE, tuple(map(_verified, examples())), tuple(notes))


def _verified(example: Example) -> Check:
    check = Check.compare(example.name, example.answer, example.printed)
    where = f" (deck{'s' * (len(example.decks) > 1)} {', '.join(example.decks)})" if example.decks else ""
    wrong = [] if check.wrong is None else [int(i) for i in np.flatnonzero(check.wrong)]
    slips = [
        f"{number(check.actual.flat[i])} for {number(check.expected.flat[i])} at {index(check.wrong.shape, i)}"
        for i in wrong
    ]
    notes = (f"printed {', '.join(slips)}",) if slips else ()
    return replace(check, message=f"{check.message}{where}", notes=notes)


def exercises() -> tuple[RuleExercise, ...]:
    """The homework of lecture 14: dL/dK and dL/dX of Z = X (*) K + B, for a 3x3 X, a 2x2 K and a scalar B.

    >>> [(exercise.name, dict(exercise.functions)) for exercise in exercises()]
    [('lecture-14', {'K': 'dK(dZ, X)', 'X': 'dX(dZ, K)'})]
    """
    backward = _cases()["backward"]
    return (
        RuleExercise(
            "lecture-14",
            tuple(backward["decks"]),
            "Z = X (*) K + B is a cross-correlation without padding, X 3x3, K 2x2, B a scalar, and dZ is dL/dZ. "
            f"Lecture 14 writes dL/dK11 = {backward['dL/dK11']}. Write the formulas of dL/dK and dL/dX.",
            _convolution,
            {"K": "dK(dZ, X)", "X": "dX(dZ, K)"},
            ({"X": tuple(backward["X"]), "K": tuple(backward["K"]), "B": ()},),
        ),
    )


def _convolution(X: Any, K: Any, B: Any) -> Any:
    """Z = X (*) K + B of matrices X and K and a scalar B."""
    return conv2d(X[None, None], K[None, None])[0, 0] + B


@cache
def examples() -> tuple[Example, ...]:
    """Every worked example of the decks, in the order of the report.

    >>> len(examples()), examples()[0].name, examples()[0].given["kernel"].tolist()[0]
    (45, 'vertical edges, mixed image', [Fraction(1, 1), Fraction(0, 1), Fraction(-1, 1)])
    """
    cases = _cases()
    found = [_correlation(case) for case in cases["cross_correlation"]]
    found += [_true_convolution(case) for case in cases["true_convolution"]]
    found += [_padding(case) for case in cases["padding"]]
    found += [example for case in cases["pooling"] for example in _pooling(case)]
    found += [_transposed(case) for case in cases["transposed"]]
    found += [_size(case) for case in cases["shapes"]]
    found += [_count(case) for case in cases["parameters"]]
    found += _tables(cases["lenet_table"])
    found += _kernels(cases["kernels"], _exact(cases["cross_correlation"][0]["image"]))
    found += _formulas(cases["backward"])
    return tuple(found)


@cache
def _cases() -> dict[str, Any]:
    text = files("tinygrad_cnn.verify").joinpath("lectures.json").read_text(encoding="utf-8")
    return dict(json.loads(text, parse_float=Fraction))  # a decimal is the fraction that it shows


def _exact(numbers: Any) -> Any:
    """Rows of numbers as a matrix of fractions; "1/9" is a ninth."""
    return np.array([[Fraction(entry) for entry in row] for row in numbers], dtype=object)


def _image(matrix: Any) -> Any:
    """(H, W) as one image of one channel."""
    return matrix[None, None]


def _decks(case: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(case.get("decks", ()))


# Convolution, padding, pooling


def _correlation(case: Mapping[str, Any]) -> Example:
    x, k, stride = _exact(case["image"]), _exact(case["kernel"]), case["stride"]
    question = f"Cross-correlate the image with the kernel, stride {stride}, no padding."
    answer = conv2d(_image(x), _image(k), stride=stride)[0, 0]
    rotated = convolve2d(_image(x), _image(k), stride=stride)[0, 0]
    mistakes = {"the kernel was rotated by 180 degrees: a true convolution, not a cross-correlation": rotated}
    given = {"image": x, "kernel": k}
    return Example(case["name"], _decks(case), question, given, answer, _exact(case["printed"]), mistakes)


def _true_convolution(case: Mapping[str, Any]) -> Example:
    x, k = _exact(case["image"]), _exact(case["kernel"])
    question = "Convolve the image with the kernel as in a textbook: the kernel is mirrored on both axes."
    mistakes = {"the kernel was not mirrored: a cross-correlation": conv2d(_image(x), _image(k))[0, 0]}
    answer, given = convolve2d(_image(x), _image(k))[0, 0], {"image": x, "kernel": k}
    return Example(case["name"], _decks(case), question, given, answer, _exact(case["printed"]), mistakes)


def _padding(case: Mapping[str, Any]) -> Example:
    x, width, mode = _exact(case["image"]), case["width"], case["mode"]
    question = f"Pad the image by {width} in the mode {mode!r}."
    if "printed" in case:
        printed = _exact(case["printed"])
    else:  # the deck shows a frame of zeros
        printed = np.full([n + 2 * width for n in x.shape], Fraction(0))
        printed[width:-width, width:-width] = x
    return Example(case["name"], _decks(case), question, {"image": x}, pad(x, width, mode), printed)


def _pooling(case: Mapping[str, Any]) -> Iterator[Example]:
    x, window, stride = _exact(case["image"]), case["window"], case["stride"]
    largest, average = (pool(_image(x), window, stride)[0, 0] for pool in (max_pool2d, avg_pool2d))
    answers = {
        "max": ("largest entry", largest, {"the average of each window, not the largest entry": average}),
        "average": ("average", average, {"the largest entry of each window, not the average": largest}),
    }
    for kind, (word, answer, mistakes) in answers.items():
        if kind in case:
            question = f"Take the {word} of each {window}x{window} window, stride {stride}."
            printed = _exact(case[kind])
            yield Example(f"{kind} {case['name']}", _decks(case), question, {"image": x}, answer, printed, mistakes)


def _transposed(case: Mapping[str, Any]) -> Example:
    x, k, stride, padding = _exact(case["input"]), _exact(case["kernel"]), case["stride"], case["padding"]
    question = f"Take the transposed convolution of the input and the kernel, stride {stride}, padding {padding}."
    answer, wrong = (
        conv_transpose2d(_image(x), _image(kernel), stride=stride, padding=padding)[0, 0]
        for kernel in (k, k[::-1, ::-1])
    )
    mistakes = {"the kernel was rotated by 180 degrees": wrong}
    given = {"input": x, "kernel": k}
    return Example(case["name"], _decks(case), question, given, answer, _exact(case["printed"]), mistakes)


# Sizes and numbers of parameters


def _size(case: Mapping[str, Any]) -> Example:
    n, f, p, s = (case[name] for name in "nfps")
    z = conv2d(np.zeros((1, 1, n, n)), np.zeros((1, 1, f, f)), padding=p, stride=s)
    name = f"size {n}x{n}, {f}x{f}, p {p}, s {s}"
    question = f"How high and wide is the output of a {n}x{n} image and a {f}x{f} kernel, padding {p}, stride {s}?"
    return Example(name, _decks(case), question, {}, np.array(z.shape[2:]), np.array([case["out"]] * 2))


def _count(case: Mapping[str, Any]) -> Example:
    filters, f, channels = case["filters"], case["f"], case["channels"]
    _, parameters = _convolve(np.zeros((1, channels, f, f)), filters, f)
    name = f"{filters} filters {f}x{f}x{channels}"
    question = f"How many parameters has a layer of {filters} filters of {f}x{f}x{channels}, each with a bias?"
    return Example(name, _decks(case), question, {}, np.array(parameters), np.array(case["count"]))


def _convolve(x: Any, filters: int, f: int, shared: bool = False) -> tuple[Any, int]:
    """A layer's result and its number of parameters; `shared`: a filter has one kernel for all channels."""
    channels = x.shape[1]
    weight, bias = np.zeros((filters, 1 if shared else channels, f, f)), np.zeros(filters)
    return conv2d(x, broadcast_to(weight, (filters, channels, f, f)), bias), weight.size + bias.size


def _connect(x: Any, n: int, shared: bool) -> tuple[Any, int]:
    """A fully connected layer; `shared`: it has one bias for all outputs."""
    x = reshape(x, (len(x), -1))
    weight, bias = np.zeros((n, x.shape[1])), np.zeros(1 if shared else n)
    return linear(x, weight, broadcast_to(bias, (n,))), weight.size + bias.size


def _network(shared: bool) -> Iterator[tuple[list[int], int]]:
    """Each layer's activation as (H, W, C) or (n,), and its number of parameters, for one image of 32x32x3."""
    layers: tuple[Callable[[Any], tuple[Any, int]], ...] = (
        lambda x: (x, 0),
        lambda x: _convolve(x, 8, 5, shared),
        lambda x: (max_pool2d(x, 2), 0),
        lambda x: _convolve(x, 16, 5, shared),
        lambda x: (max_pool2d(x, 2), 0),
        lambda x: _connect(x, 120, shared),
        lambda x: _connect(x, 84, shared),
        lambda x: _connect(x, 10, shared),
    )
    x: Any = np.zeros((1, 3, 32, 32))
    for layer in layers:
        x, parameters = layer(x)
        yield [*x.shape[2:], x.shape[1]], parameters


def _tables(rows: list[dict[str, Any]]) -> Iterator[Example]:
    """The columns of the table of a network like LeNet-5, in deck 002's version and in deck 001's."""
    shapes, separate = zip(*_network(shared=False), strict=True)
    _, shared = zip(*_network(shared=True), strict=True)
    layers = ", ".join(row["layer"] for row in rows)
    columns: dict[str, tuple[tuple[str, ...], Any, Any]] = {
        "shapes": (("001", "002"), _joined(shapes), _joined(row["shape"] for row in rows)),
        "sizes": (("001", "002"), [prod(shape) for shape in shapes], [row["size"] for row in rows]),
        "parameters": (("002",), separate, [row["params"] for row in rows]),
        "shared parameters": (("001",), shared, [row["params_shared"] for row in rows]),
    }
    for column, (decks, answer, printed) in columns.items():
        question = f"In a network of the layers {layers}: which {column} has each?"
        yield Example(f"table, {column}", decks, question, {}, np.array(answer), np.array(printed))


def _joined(shapes: Iterable[list[int]]) -> list[int]:
    return list(chain.from_iterable(shapes))


# Image kernels: what their names say


def _kernels(kernels: Mapping[str, Any], picture: Any) -> Iterator[Example]:
    k = {name: _exact(rows) for name, rows in kernels.items()}
    inner = picture[1:-1, 1:-1]
    windows = np.lib.stride_tricks.sliding_window_view(picture, (3, 3))
    claims = {
        "identity": ("leaves the image as it is", inner),
        "brighten": ("makes every pixel half as bright again", inner * Fraction(3, 2)),
        "darken": ("makes every pixel half as bright", inner / 2),
        "box_blur": ("takes the average of each 3x3 window", windows.sum(axis=(2, 3)) / 9),
        "sharpen": ("adds the edges to the image", inner + _filtered(picture, k["laplacian"])),
    }
    for name, (claim, printed) in claims.items():
        title = f"kernel {name.replace('_', ' ')}"
        given = {"image": picture, "kernel": k[name]}
        yield Example(title, ("000", "002"), f"The {title} {claim}.", given, _filtered(picture, k[name]), printed)
    flat = np.full((3, 3), Fraction(200))
    for name in _EDGES:
        title = f"kernel {name.replace('_', ' ')}"
        given = {"image": flat, "kernel": k[name]}
        question = f"The {title} sees nothing where the image is flat."
        yield Example(title, ("000", "002"), question, given, _filtered(flat, k[name]), np.full((1, 1), 0))


_EDGES = (
    "vertical", "horizontal", "sobel_vertical", "sobel_horizontal", "scharr_vertical", "laplacian", "outline",
    "horizontal_edge_enhancement",
)  # fmt: skip


def _filtered(picture: Any, kernel: Any) -> Any:
    return conv2d(_image(picture), _image(kernel))[0, 0]


# Lecture 14's formulas, with large random integers in the place of the names: other polynomials would differ


def _formulas(case: Mapping[str, Any]) -> Iterator[Example]:
    rng = np.random.default_rng(14)
    shapes: tuple[list[int], ...] = (case["X"], case["K"], [], case["K"])
    x, k, b, dz = (_integers(shape, rng) for shape in shapes)
    leaves = [tensor(array, requires_grad=True) for array in (x, k, b)]
    z = _convolution(*leaves)
    _, dk, db = grad(z, leaves, dz)
    values = {"B": b.item()} | _named("X", x) | _named("K", k) | _named("dz", dz)
    results = {"z11": z.numpy()[0, 0], "dL/dK11": dk.numpy()[0, 0], "dL/dB": db.item()}
    given = {"X": x, "K": k, "B": b, "dZ": dz}
    for name, answer in results.items():
        question = f"{name} = {case[name]}, at random integers"
        yield Example(f"{name}, lecture 14", _decks(case), question, given, answer, _evaluated(case[name], values))


def _integers(shape: Any, rng: np.random.Generator) -> Any:
    return np.array([Fraction(int(n)) for n in rng.integers(1, 10**6, prod(shape))], dtype=object).reshape(shape)


def _named(name: str, matrix: Any) -> dict[str, Any]:
    return {f"{name}{i + 1}{j + 1}": matrix[i, j] for i, j in np.ndindex(matrix.shape)}


def _evaluated(formula: str, values: Mapping[str, Any]) -> Any:
    """A sum of products, "X11 K11 + B"."""
    return sum(prod(values[name] for name in term.split()) for term in formula.split(" + "))
