"""trace and run: leaves, gradients, ties, changed arrays, arguments, and the three arithmetics."""

import math
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.verify.tracing.agreement import fractions
from tinygrad_cnn.modes import no_grad
from tinygrad_cnn.tensor import Tensor, tensor
from tinygrad_cnn.verify.tracing import Number, arithmetic_of, run, trace
from tinygrad_cnn.walk import nodes


def integers(*shape):
    """An object array of fractions 1, 2, 3, ..."""
    result = np.empty(shape, dtype=object)
    for n, index in enumerate(np.ndindex(shape)):
        result[index] = Fraction(n + 1)
    return result


def conv(X, K, B, stride=1):
    h, w = (X.shape[0] - K.shape[0]) // stride + 1, (X.shape[1] - K.shape[1]) // stride + 1
    Z = np.zeros((h, w))
    for i in range(h):
        for j in range(w):
            Z[i, j] = np.sum(X[i * stride : i * stride + K.shape[0], j * stride : j * stride + K.shape[1]] * K) + B
    return Z


# Gradients


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("shape", [(3, 3), (5, 4), (2, 2)])
def test_the_gradient_of_a_loop_is_that_of_conv2d(shape, stride):
    rng = np.random.default_rng(0)
    X, K, B = (fractions(rng.integers(-9, 10, size)) for size in (shape, (2, 2), ()))
    traced = trace(conv, {"X": X, "K": K, "B": B}, {"stride": stride})
    x, k, b = (tensor(a, requires_grad=True) for a in (X[None, None], K[None, None], B.reshape(1)))
    z = tg.conv2d(x, k, b, stride=stride)
    dz = fractions(rng.integers(-9, 10, z.shape[2:]))
    expected = tg.grad(z, [x, k, b], tensor(dz[None, None]))
    assert [v.item() for v in traced.output.flat] == list(z.data.flat)
    actual = traced.gradients(dz)
    for name, gradient, shape_ in zip("XKB", expected, (X.shape, K.shape, ()), strict=True):
        assert actual[name].shape == shape_
        assert actual[name].ravel().tolist() == list(gradient.data.flat)
        assert {type(v) for v in actual[name].flat} == {Fraction}


def test_the_graph_is_that_of_the_formula():
    """z11 = X11 K11 + X12 K12 + X21 K21 + X22 K22 + B: four products and four sums, and no sum with a zero."""

    def loops(X, K, B):
        Z = np.zeros((1, 1))
        for u in range(2):
            for v in range(2):
                Z[0, 0] += X[u, v] * K[u, v]
        return Z + B

    for function in (conv, loops):
        traced = trace(function, {"X": integers(2, 2), "K": integers(2, 2), "B": integers()})
        names = [node.primitive.name for node in nodes(*traced.output.flat) if node.primitive]
        assert sorted(names) == ["add"] * 4 + ["multiply"] * 4


def test_zeros_of_the_padding_make_no_nodes():
    traced = trace(lambda X, K: conv(np.pad(X, 1), K, 0), {"X": integers(1, 1), "K": integers(2, 2)})
    assert [len(nodes(z)) for z in traced.output.flat] == [3, 3, 3, 3]
    assert traced.gradients([[1, 10], [100, 1000]])["K"].tolist() == [[1000, 100], [10, 1]]


def test_outputs_without_a_graph_and_inputs_without_a_use():
    traced = trace(lambda X, Y: [X[0], 5, X[0], X[1] * 0, X[1]], {"X": integers(3), "Y": integers(2)})
    assert traced.output[0] is traced.output[2] is traced.leaves["X"][0]
    assert traced.output[1] == 5
    assert traced.gradients([1, 10, 100, 1000, 10000])["X"].tolist() == [101, 10000, 0]
    assert traced.gradients([1, 2, 3, 4, 5])["Y"].tolist() == [0, 0]
    constant = trace(lambda X: np.ones(2), {"X": integers(2)})
    assert constant.output.tolist() == [1, 1]
    assert constant.gradients([1, 1])["X"].tolist() == [0, 0]


def test_gradients_can_be_taken_again_and_for_any_upstream():
    traced = trace(lambda X: X**3, {"X": integers(2)})
    for _ in range(2):
        assert traced.gradients([1, Fraction(1, 2)])["X"].tolist() == [3, 6]
    assert traced.gradients(np.array([0.5, 0]))["X"].tolist() == [Fraction(3, 2), 0]
    with pytest.raises(ValueError, match=r"gradients: dz must have the output's shape \(2,\) but has \(3,\)"):
        traced.gradients([1, 2, 3])


def test_empty_and_single_arrays():
    empty = trace(lambda X: X * 2, {"X": np.empty((0, 3), dtype=object)})
    assert empty.output.shape == (0, 3)
    assert empty.gradients(np.zeros((0, 3)))["X"].shape == (0, 3)
    single = trace(lambda X: X * X, {"X": integers()})
    assert single.output.shape == ()
    assert single.gradients(3)["X"] == 6


def test_what_a_forward_keeps_for_its_backward_is_left_out():
    assert trace(lambda X: (X * 2, {"X": X}), {"X": integers(2)}).output.shape == (2,)
    assert trace(lambda X: (X * 2, X > 1), {"X": integers(2)}).output.shape == (2,)
    assert trace(lambda X: (X[0], X[1]), {"X": integers(2)}).output.shape == (2,)


def test_records_inside_no_grad_too():
    with no_grad():
        assert trace(lambda X: X * X, {"X": integers(1)}).gradients([1])["X"].tolist() == [2]


# Ties


@pytest.mark.parametrize(
    ("function", "ties"),
    [
        (lambda X: np.maximum(X, 0), 1),
        (lambda X: np.minimum(X, 2), 1),
        (lambda X: X * (X > 0), 1),
        (lambda X: np.abs(X) * np.where(X == 2, 1, 2), 2),
        (lambda X: np.sign(X) * X, 1),
        (lambda X: [x if x else 1 for x in X], 1),
        (lambda X: np.floor(X) * X, 3),
        (lambda X: np.clip(X, -5, 5), 0),
        (lambda X: [max(X)], 0),
        (lambda X: (X.max() == X) * X, 0),
        (lambda X: X * (np.arange(3) > 0), 0),
        (lambda X: (X > 100) * X, 0),
    ],
)
def test_equal_numbers_that_were_compared_are_counted(function, ties):
    given = {"X": np.array([Fraction(-1), Fraction(0), Fraction(2)])}
    assert trace(function, given).ties == ties
    assert trace(function, {"X": given["X"].astype(float)}).ties == ties


def test_equal_entries_of_a_window():
    given = {"X": fractions(np.array([3, 1, 3]))}
    assert trace(lambda X: [X.max()], given).ties == 1
    assert trace(lambda X: [X[np.argmax(X)]], given).ties == 1
    assert trace(lambda X: [max(X)], given).ties == 1


def test_a_tie_is_told_with_the_students_line():
    def relu(X):
        return [x if x > 0 else 0 * x for x in X]

    traced = trace(relu, {"X": fractions(np.array([0, 1]))})
    (line,) = traced.lines
    assert line.file == __file__
    assert str(line).endswith("return [x if x > 0 else 0 * x for x in X]")


def test_comparisons_after_the_run_are_not_counted():
    traced = trace(lambda X: X, {"X": integers(1)})
    assert Number(traced.output[0]) == 1
    assert traced.ties == 0


# Changed arrays


def test_a_changed_argument_is_named_and_the_callers_arrays_are_untouched():
    def change(X, K, L, n):
        X[0] = 0
        K += 0
        K *= 1
        L[1] = 5
        n[0] = 3
        return X * K

    for exact in (True, False):
        X, K = (fractions(np.array([1, 2])) if exact else np.array([1.0, 2.0]) for _ in range(2))
        L, n = np.array([1, 2]), np.array([7.0])
        for result in (
            trace(change, {"X": X, "K": K, "L": L}, {"n": n}),
            run(change, {"X": X, "K": K, "L": L}, {"n": n.copy()}),
        ):
            assert result.changed == ("X", "L")
        assert (X.tolist(), K.tolist(), L.tolist(), n.tolist()) == ([1, 2], [1, 2], [1, 2], [7])


def test_the_gradient_is_that_of_what_came_in():
    def change(X):
        X *= 3
        return X

    traced = trace(change, {"X": integers(2)})
    assert traced.changed == ("X",)
    assert traced.gradients([1, 1])["X"].tolist() == [3, 3]


def test_a_copy_may_be_changed():
    def change(X):
        Y = X.copy()
        Y[0] = 0
        X = X + 1
        X += 1
        return X * Y

    assert trace(change, {"X": integers(2)}).changed == ()
    assert run(change, {"X": np.array([1.0, 2.0])}).changed == ()


# Arguments


def test_arguments_go_by_name_or_by_position_as_the_signature_wants():
    given = {"K": integers(2), "X": integers(2) * 10}
    for function in (
        lambda X, K: X - K,
        lambda X, /, K: X - K,
        lambda X, K, /: X - K,
        lambda *, K, X: X - K,
        lambda X, **others: X - others["K"],
        lambda **every: every["X"] - every["K"],
        lambda X, K, stride=1: (X - K) * stride,
    ):
        assert run(function, given).output.tolist() == [9, 18]
        assert [z.item() for z in trace(function, given).output] == [9, 18]


def test_names_that_do_not_fit_are_refused():
    def forward(X, K):
        return X

    for arrays, options, message in (
        ({"X": integers(1)}, {}, "forward: missing a required argument: 'K'"),
        ({"X": integers(1), "K": integers(1)}, {"stride": 2}, "forward: got an unexpected keyword argument 'stride'"),
    ):
        for execute in (trace, run):
            with pytest.raises(TypeError, match=message):
                execute(forward, arrays, options)


def test_options_are_handed_on():
    def forward(X, labels, scale, weights, kind, eps):
        assert kind == "same"
        assert labels.dtype == int
        assert labels.tolist() == [1, 0]
        assert np.sqrt(eps).value == Fraction(1, 2)
        return X[labels] * scale * weights / 3

    traced = trace(
        forward,
        {"X": integers(2), "labels": np.array([1, 0])},
        {"scale": 0.5, "weights": np.array([0.1, 0.2]), "kind": "same", "eps": Fraction(1, 4)},
    )
    assert [z.item() for z in traced.output] == [Fraction(1, 30), Fraction(1, 30)]
    assert set(traced.leaves) == {"X"}


def test_leaves_are_tensors_with_the_values_given():
    traced = trace(lambda X: X, {"X": integers(2, 2)})
    for index in np.ndindex(2, 2):
        leaf = traced.leaves["X"][index]
        assert type(leaf) is Tensor
        assert leaf.requires_grad
        assert leaf.item() == integers(2, 2)[index]


# Arithmetics


def test_the_arithmetic_follows_the_numbers():
    assert arithmetic_of([integers(2), np.array([1, 2])]) == "exact"
    assert arithmetic_of([np.array([1, 2], dtype=object)]) == "exact"
    assert arithmetic_of([integers(2), np.array([0.5], dtype=np.float32)]) == "float64"
    assert arithmetic_of([np.array([1, 0.5], dtype=object)]) == "float64"
    assert trace(lambda X: X, {"X": np.array([1, 0.5], np.float32)}).output[0].dtype == np.float64


def test_floats_run_on_numpy_itself():
    def rule(dZ, X):
        assert type(X) is np.ndarray
        return np.fft.ifft(np.fft.fft(dZ) * np.fft.fft(X)).real

    result = run(rule, {"dZ": np.array([1.0, 2.0]), "X": np.array([3.0, 4.0])})
    np.testing.assert_allclose(result.output, [11, 10])
    assert result.arithmetic == "float64"
    assert run(lambda X: [[1, X[0]], [True, 2]], {"X": np.array([0.5])}).output.dtype == np.float64


def test_what_floats_give_is_checked_as_well():
    given = {"X": np.array([1.0])}
    for wrong in (lambda X: None, lambda X: "abc", lambda X: {"X": X}, lambda X: X * 1j):
        with pytest.raises(TypeError, match="expected an array of real numbers but the function returned"):
            run(wrong, given)
    with pytest.raises(ValueError, match="shapes"):
        run(lambda X: [[1], [1, 2]], given)


def test_constants_of_a_float_run_are_floats():
    def forward(X):
        return X * math.sqrt(2) + np.exp(1) * np.sqrt(np.arange(2)) + np.log(np.ones(2) / 3) * X

    X = np.array([1.5, 2.5])
    traced = trace(forward, {"X": X})
    np.testing.assert_allclose([z.item() for z in traced.output], forward(X), rtol=1e-15)
    np.testing.assert_allclose(traced.gradients([1, 1])["X"], [math.sqrt(2) + math.log(1 / 3)] * 2)
    assert traced.gradients([1, 1])["X"].dtype == np.float64


def test_roots_of_squares_have_exact_slopes():
    traced = trace(lambda X: [np.linalg.norm(X), np.sqrt(X[1]), X[1] ** -0.5], {"X": fractions(np.array([3, 4]))})
    assert [z.item() for z in traced.output] == [5, 2, Fraction(1, 2)]
    assert traced.gradients([1, 0, 0])["X"].tolist() == [Fraction(3, 5), Fraction(4, 5)]
    assert traced.gradients([0, 1, 0])["X"].tolist() == [0, Fraction(1, 4)]
    assert traced.gradients([0, 0, 1])["X"].tolist() == [0, Fraction(-1, 16)]
    assert {type(g) for g in traced.gradients([1, 1, 1])["X"]} == {Fraction}


def test_division_by_zero_gives_numpys_infinities_where_nobody_looks():
    def forward(X, n):
        with np.errstate(divide="ignore"):
            return np.where(n > 0, X / n, 0)

    traced = trace(forward, {"X": integers(2), "n": np.array([2, 0])})
    assert traced.gradients([1, 1])["X"].tolist() == [Fraction(1, 2), 0]
