"""Padding in its five modes against naive loops and `numpy.pad`: values, gradients, widths, bad input."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests import oracles
from tests.finite_differences import check_gradients
from tests.operands import (
    assert_close,
    assert_equal,
    assert_exact,
    fractions,
    integers,
    layouts,
    normals,
    specials,
    tensors,
)
from tests.refusals import refused

NUMPYS = {
    "zeros": "constant", "reflect": "reflect", "replicate": "edge", "circular": "wrap", "symmetric": "symmetric",
}  # fmt: skip
OTHERS = [mode for mode in NUMPYS if mode != "zeros"]
every_mode = pytest.mark.parametrize("mode", NUMPYS)
every_other_mode = pytest.mark.parametrize("mode", OTHERS)

# What is padded, how the width is written, and what it means on each axis.
CASES = {
    "a number": ((), 0, ()),
    "nothing": ((2, 3), 0, ((0, 0), (0, 0))),
    "one integer": ((2, 1), 1, ((1, 1), (1, 1))),
    "before and after": ((2, 2, 1), (1, 2), ((1, 2), (1, 2), (1, 2))),
    "one pair": ((2, 3), ((2, 0),), ((2, 0), (2, 0))),
    "a pair for each axis": ((1, 2, 3), ((0, 0), (1, 0), (0, 4)), ((0, 0), (1, 0), (0, 4))),
    "lists": ((2, 3), [[1, 0], [0, 2]], ((1, 0), (0, 2))),
    "integers and pairs": ((2, 3), (1, (0, 2)), ((1, 1), (0, 2))),
    "a dictionary": ((2, 1, 3), {-1: (1, 2), 0: 1}, ((1, 1), (0, 0), (1, 2))),
    "an empty dictionary": ((2, 3), {}, ((0, 0), (0, 0))),
    "one axis": ((3,), (2, 1), ((2, 1),)),
    "as wide as the axis less one": ((4, 3), ((3, 3), (2, 2)), ((3, 3), (2, 2))),
    "as wide as the axis": ((3, 2), ((3, 3), (2, 2)), ((3, 3), (2, 2))),
    "wider than the axis": ((3, 2), ((5, 4), (7, 9)), ((5, 4), (7, 9))),
    "axes of one element": ((1, 1), ((2, 0), (1, 3)), ((2, 0), (1, 3))),
    "the empty axis as it is": ((0, 2), ((0, 0), (2, 1)), ((0, 0), (2, 1))),
    "images": ((2, 2, 3, 4), ((0, 0), (0, 0), (2, 1), (0, 3)), ((0, 0), (0, 0), (2, 1), (0, 3))),
}
every_case = pytest.mark.parametrize(("shape", "given", "widths"), CASES.values(), ids=CASES)


def check_exactly(shape, given, widths, mode):
    """Value, gradient, and the gradients of the second and third order: the map and its transpose, in turn."""
    naive = oracles.padding(shape, widths, mode)
    x, dz, u, v = (fractions(s, seed) for seed, s in enumerate((shape, naive.z_shape, shape, naive.z_shape)))
    X, dZ, U, V = tensors(x, dz, u, v)
    Z = tg.pad(X, given, mode)
    if shape == ():
        assert Z.item() == x[()]
        return
    assert_exact(Z, naive.value(x))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_exact(dX, naive.gradient(dz))
    (second,) = tg.grad(dX, dZ, U, create_graph=True)
    assert_exact(second, naive.value(u))
    (third,) = tg.grad(second, U, V)
    assert_exact(third, naive.gradient(v))


@every_mode
@every_case
def test_value_and_gradients_are_the_naive_ones(shape, given, widths, mode):
    check_exactly(shape, given, widths, mode)


def test_zeros_are_put_around_an_empty_axis():
    check_exactly((2, 0), ((0, 1), (2, 1)), ((0, 1), (2, 1)), "zeros")


@every_mode
def test_shapes_and_widths_drawn_by_hypothesis(mode):
    hypothesis = pytest.importorskip("hypothesis")
    st = pytest.importorskip("hypothesis.strategies")

    @hypothesis.settings(max_examples=25, deadline=None, database=None)
    @hypothesis.given(st.data())
    def check(data):
        shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=3).map(tuple))
        widths = tuple(data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5))) for _ in shape)
        check_exactly(shape, widths, widths, mode)

    check()


@every_mode
def test_every_width_up_to_three_times_the_axis_is_numpys(mode):
    for n in range(1, 5):
        x = np.arange(1, n + 1)
        for before in range(3 * n + 1):
            for after in range(3 * n + 1):
                assert_equal(tg.pad(x, (before, after), mode), np.pad(x, (before, after), mode=NUMPYS[mode]))


@every_mode
@every_case
def test_values_are_numpys(shape, given, widths, mode):
    x = integers(shape, 1)
    # NumPy takes no pairs for an array without axes.
    expected = np.pad(x, widths, mode=NUMPYS[mode]) if shape else x
    assert_equal(tg.pad(x, given, mode), expected)


@pytest.mark.parametrize(
    ("mode", "padded"),
    [
        ("zeros", "00 1234 0000"),
        ("reflect", "32 1234 3212"),
        ("replicate", "11 1234 4444"),
        ("circular", "34 1234 1234"),
        ("symmetric", "21 1234 4321"),
    ],
)
def test_the_table_of_the_docstring(mode, padded):
    assert f'"{mode}" | {padded} |' in tg.pad.__doc__
    assert "".join(map(str, tg.pad(np.array([1, 2, 3, 4]), (2, 4), mode))) == padded.replace(" ", "")


@every_other_mode
def test_no_gradient_is_lost_in_the_border(mode):
    """Every place of the result shows one element, so ones stay ones and the gradients' sum is the upstream's."""
    shape, widths = (2, 3, 4), ((1, 2), (5, 0), (3, 4))
    assert_equal(tg.pad(np.ones(shape), widths, mode), np.ones((5, 8, 11)))
    dz = fractions((5, 8, 11), 1)
    (X,) = tensors(fractions(shape, 2))
    tg.pad(X, widths, mode).backward(dz)
    assert sum(X.grad.data.flat) == sum(dz.flat)


@every_mode
def test_forward_and_backward_are_transposes(mode):
    """<pad(x), y> = <x, the gradient of x for an upstream y>."""
    x, y = fractions((3, 2), 1), fractions((8, 7), 2)
    (X,) = tensors(x)
    Z = tg.pad(X, ((4, 1), (2, 3)), mode)
    (gradient,) = tg.grad(Z, X, y)
    assert (Z.data * y).sum() == (x * gradient.data).sum()


@every_mode
def test_gradients_of_first_and_second_order_are_central_differences(mode):
    check_gradients(lambda x: tg.pad(x, ((2, 0), (1, 4)), mode) ** 3, normals((2, 3), 1), order=2)


@every_mode
def test_the_same_tensor_padded_twice_gets_both_gradients(mode):
    x, a, b = fractions((3,), 1), fractions((6,), 2), fractions((6,), 3)
    (X,) = tensors(x)
    (tg.pad(X, (1, 2), mode) * a + tg.pad(X, (3, 0), mode) * b).sum().backward()
    expected = oracles.padding((3,), ((1, 2),), mode).gradient(a) + oracles.padding((3,), ((3, 0),), mode).gradient(b)
    assert_exact(X.grad, expected)


@pytest.mark.parametrize("value", [7, -np.inf, np.nan])
def test_a_border_of_another_value(value):
    x = integers((2, 3), 1)
    expected = np.full((4, 7), float(value))
    expected[1:3, 0:3] = x
    X, U = tensors(x, integers((2, 3), 3))
    Z = tg.pad(X, ((1, 1), (0, 4)), value=value)
    assert_equal(Z.numpy(), expected)
    (dZ,) = tensors(integers((4, 7), 2))
    (dX,) = tg.grad(Z, X, dZ, create_graph=True)
    assert_equal(dX.numpy(), dZ.numpy()[1:3, 0:3])
    (second,) = tg.grad(dX, dZ, U)
    expected = np.zeros((4, 7))
    expected[1:3, 0:3] = U.numpy()
    assert_equal(second.numpy(), expected)


@every_mode
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.longdouble, np.int8, bool])
def test_the_dtype_is_kept(mode, dtype):
    x = integers((2, 3), 1, dtype)
    z = tg.pad(x, ((1, 3), (0, 4)), mode)
    assert z.dtype == dtype
    assert_equal(z, np.pad(x, ((1, 3), (0, 4)), mode=NUMPYS[mode]))
    if np.dtype(dtype).kind == "f":
        (X,) = tensors(x)
        dz = integers((6, 7), 2, dtype)
        tg.pad(X, ((1, 3), (0, 4)), mode).backward(dz)
        assert X.grad.dtype == dtype
        naive = oracles.padding((2, 3), ((1, 3), (0, 4)), mode)
        assert_equal(X.grad.numpy(), naive.gradient(dz.astype(int)).astype(dtype))


@every_other_mode
def test_a_wide_border_of_float16_adds_up(mode):
    dz = np.random.default_rng(1).random((2, 300)).astype(np.float16)
    (X,) = tensors(np.ones((2, 3), np.float16))
    tg.pad(X, ((0, 0), (150, 147)), mode).backward(dz)
    exact = oracles.padding((2, 3), ((0, 0), (150, 147)), mode).gradient(dz.astype(float))
    assert X.grad.dtype == np.float16
    assert_close(X.grad.numpy(), exact, 0.01)


@every_mode
def test_nan_and_infinity_go_where_they_are_shown(mode):
    x = specials((3, 4), 1)
    assert_equal(tg.pad(x, ((2, 1), (3, 3)), mode), np.pad(x, ((2, 1), (3, 3)), mode=NUMPYS[mode]))


@every_mode
@pytest.mark.parametrize("dtype", [np.float64, object])
def test_memory_layout_makes_no_difference(mode, dtype):
    x, dz = integers((2, 3, 2, 4), 1).astype(dtype), integers((5, 6, 5, 7), 2).astype(dtype)
    naive = oracles.padding(x.shape, ((1, 2),) * 4, mode)
    for name, view in layouts(x).items():
        assert_equal(tg.pad(view, (1, 2), mode), np.pad(x, (1, 2), mode=NUMPYS[mode]))
        (X,) = tensors(view)
        tg.pad(X, (1, 2), mode).backward(layouts(dz)[name])
        assert_equal(X.grad.numpy(), naive.gradient(dz).astype(dtype))


@every_mode
def test_operand_and_upstream_gradient_stay_as_they_are_and_the_result_is_the_callers(mode):
    x, dz = normals((2, 3), 1), normals((5, 6), 2)
    copies = x.copy(), dz.copy()
    (X,) = tensors(x)
    tg.pad(X, (1, 2), mode).backward(dz)
    tg.pad(x, (1, 2), mode)[...] = 0
    assert_equal(x, copies[0])
    assert_equal(dz, copies[1])


@every_mode
def test_a_gradient_that_two_operands_share_reaches_the_other_as_it_is(mode):
    X, Y = tensors(integers((2, 3), 1), integers((5, 6), 2))
    dz = integers((5, 6), 3)
    (tg.pad(X, (1, 2), mode) + Y).backward(dz)
    assert_equal(Y.grad.numpy(), dz)


@every_other_mode
def test_it_runs_on_symbols_and_scalar_tensors(mode):
    sympy = pytest.importorskip("sympy")
    widths = ((2, 0), (1, 2))
    naive = oracles.padding((2, 2), widths, mode)
    symbols = np.array(sympy.symbols("a:4"), dtype=object).reshape(2, 2)
    assert (tg.pad(symbols, widths, mode) == naive.value(symbols)).all()
    (S,) = tensors(symbols)
    upstream = np.array(sympy.symbols("u:20"), dtype=object).reshape(4, 5)
    tg.pad(S, widths, mode).backward(upstream)
    assert (S.grad.data == naive.gradient(upstream)).all()

    scalars = np.empty((2, 2), dtype=object)
    for i in oracles.indices((2, 2)):
        scalars[i] = tg.tensor(float(i[0] + 2 * i[1]), requires_grad=True)
    weights = integers((4, 5), 1)
    (tg.pad(scalars, widths, mode) * weights).sum().backward()
    expected = naive.gradient(weights)
    assert all(scalars[i].grad.item() == expected[i] for i in oracles.indices((2, 2)))


def test_the_graph_names_both_directions():
    (X,) = tensors(np.ones(3))
    Z = tg.pad(X, 1, "symmetric")
    (dX,) = tg.grad(Z, X, tg.tensor(np.ones(5), requires_grad=True), create_graph=True)
    assert (Z.node.primitive.name, dX.node.primitive.name) == ("pad", "unpad")
    assert Z.node.options == {"widths": ((1, 1),), "mode": "symmetric", "value": 0}


ALL = "'zeros', 'reflect', 'replicate', 'circular', 'symmetric'"
BAD = {
    "an unknown mode": ({"pad_width": 1, "mode": "sane"}, ValueError, f"mode must be one of {ALL} but is 'sane'"),
    "NumPy's constant": ({"pad_width": 1, "mode": "constant"}, ValueError, "'constant', which is 'zeros' here"),
    "NumPy's edge": ({"pad_width": 1, "mode": "edge"}, ValueError, "'edge', which is 'replicate' here"),
    "NumPy's wrap": ({"pad_width": 1, "mode": "wrap"}, ValueError, "'wrap', which is 'circular' here"),
    "no mode": ({"pad_width": 1, "mode": None}, ValueError, f"{ALL} but is None"),
    "two modes": ({"pad_width": 1, "mode": ["reflect"]}, ValueError, f"{ALL} but is ['reflect']"),
    "an empty axis": (
        {"x": (2, 0), "pad_width": ((0, 0), (0, 1)), "mode": "circular"},
        ValueError, "'circular'", "empty axis", "(2, 0)", "((0, 0), (0, 1))",
    ),
    "a negative width": ({"pad_width": -1}, ValueError, "pad_width must be at least 0", "-1"),
    "a negative width on one side": ({"pad_width": ((0, 0), (1, -2))}, ValueError, "at least 0", "(1, -2)"),
    "too many pairs": ({"pad_width": ((1, 1),) * 3}, ValueError, "each of 2 axes", "((1, 1), (1, 1), (1, 1))"),
    "three numbers": ({"pad_width": (1, 2, 3)}, ValueError, "an integer or 2 of them but got (1, 2, 3)"),
    "a fraction": ({"pad_width": 0.5}, TypeError, "pad_width must be an integer", "0.5"),
    "nothing": ({"pad_width": None}, TypeError, "pad_width must be an integer", "None"),
    "a word": ({"pad_width": "1"}, TypeError, "pad_width must be an integer", "'1'"),
    "an axis that is not there": ({"pad_width": {2: 1}}, ValueError, "expected an axis of -2 to 1", "2"),
    "an axis twice": ({"pad_width": {1: 1, -1: 2}}, ValueError, "each axis may come once", "(1, -1)"),
    "a negative width of an axis": ({"pad_width": {1: (0, -1)}}, ValueError, "at least 0", "(0, -1)"),
    "a value beside a mode": (
        {"pad_width": 1, "mode": "reflect", "value": 2},
        ValueError, "value is for the mode 'zeros' but is 2", "'reflect'",
    ),
    "an array as value": ({"pad_width": 1, "value": np.ones(2)}, TypeError, "value must be a single number", "array"),
    "a word as value": ({"pad_width": 1, "value": "0"}, TypeError, "value must be a single number", "'0'"),
    "no value": ({"pad_width": 1, "value": None}, TypeError, "value must be a single number", "None"),
}  # fmt: skip


@pytest.mark.parametrize("bad", BAD.values(), ids=BAD)
def test_bad_input_is_refused_by_name(bad):
    arguments, error, *texts = bad
    arguments = {"x": (2, 3)} | arguments
    leaf = tg.tensor(integers(arguments.pop("x"), 1), requires_grad=True)
    (leaf * leaf).sum().backward()
    with refused("pad", error, *texts, tensors=[leaf]):
        tg.pad(leaf, **arguments)


def test_a_tensor_as_value_is_refused_since_it_would_get_no_gradient():
    value = tg.tensor(2.0, requires_grad=True)
    with refused("pad", TypeError, "value must be a single number, not a tensor", tensors=[value]):
        tg.pad(np.ones(2), 1, value=value)


@pytest.mark.parametrize(
    ("dtype", "value"),
    [(np.int64, 0.5), (np.int64, np.nan), (np.int64, np.inf), (np.uint8, 256), (np.uint8, -1), (bool, 2)],
)  # fmt: skip
def test_a_value_that_the_dtype_would_change_is_refused(dtype, value):
    with refused("pad", ValueError, f"value {value!r} can't be held by the dtype {np.dtype(dtype)}"):
        tg.pad(np.ones(2, dtype), 1, value=value)
    assert tg.pad(np.ones(1, dtype), 1, value=1).tolist() == [1, 1, 1]
