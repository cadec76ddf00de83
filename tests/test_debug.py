"""tg.debug(): the first operation that made a NaN or an infinity, the line that recorded a node, and what is kept."""

import inspect
import threading
import warnings
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import diagnostics
from tinygrad_cnn.engine import KEPT_SIZE, Unkept, primitive
from tinygrad_cnn.modes import is_debugging
from tinygrad_cnn.walk import nodes


def leaf(data, **options):
    return tg.tensor(data, requires_grad=True, **options)


def this_line():
    return inspect.currentframe().f_back.f_lineno


@primitive(x=lambda dz: 1 / 0)
def broken(x):
    return x * 1


# NaN and infinity, forward


@pytest.mark.parametrize(
    ("operation", "x", "message"),
    [
        (tg.log, [[1.0, 0.0]], r"^log: made -inf at index \(0, 1\) of shape \(1, 2\) from finite operands"),
        (tg.log, -1.0, "^log: made nan from finite operands"),
        (tg.sqrt, [4.0, -1.0], r"^sqrt: made nan at index \(1,\)"),
        (tg.exp, [0.0, 0.0, 100.0], r"^exp: made inf at index \(2,\) of shape \(3,\)"),
        (lambda x: 1 / x, [1.0, 0.0], r"^divide: made inf at index \(1,\)"),
        (lambda x: x / x, 0.0, "^divide: made nan from"),
        (lambda x: x * 3e38, [[2.0]], r"^multiply: made inf at index \(0, 0\)"),
        (lambda x: x**-1, 0.0, "^power: made inf"),
        (lambda x: x**0.5, -1.0, "^power: made nan"),
        (tg.sum, [3e38, 3e38], "^sum: made inf from finite operands"),
        (lambda x: x @ x, [3e38, 3e38], "^matmul: made inf"),
        (lambda x: x.astype(np.float16), [1e6], "^cast: made inf"),
    ],
)
@pytest.mark.parametrize("requires_grad", [False, True])
def test_the_operation_that_made_it_is_named(operation, x, message, requires_grad):
    x = tg.tensor(x, requires_grad=requires_grad)
    with tg.debug(), pytest.raises(FloatingPointError, match=message):
        operation(x)


def test_only_the_first_operation_is_to_blame():
    x = leaf([np.nan, np.inf, 1.0])
    with tg.debug():
        y = tg.exp(x * 2 + 1)
        z = y.sum()
        z.backward()
    assert np.isnan(z.item())
    with tg.debug(), pytest.raises(FloatingPointError, match=r"^log: "):
        tg.exp(tg.log(leaf([0.0]))) * x


def test_nothing_is_recorded_by_an_operation_that_is_named():
    x = leaf([0.0])
    with tg.debug():
        y = x + 1
        with pytest.raises(FloatingPointError):
            tg.log(x)
        y.sum().backward()
    assert x.grad.tolist() == [1]


def test_outside_numpy_warns_and_goes_on():
    x = leaf([0.0, 1.0])
    with pytest.warns(RuntimeWarning, match="divide by zero"):
        y = tg.log(x)
    assert y.tolist() == [-np.inf, 0]


def test_numpys_warnings_are_silent_inside_and_come_back():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with tg.debug(), pytest.raises(FloatingPointError):
            tg.log(leaf(0.0))
        with pytest.raises(RuntimeWarning):
            tg.log(leaf(0.0))


def test_objects_and_integers_are_not_looked_at():
    with tg.debug():
        x = leaf(Fraction(1, 3))
        (x * x / 3).backward()
        assert x.grad.item() == Fraction(2, 9)
        assert (tg.tensor([1, 2]) + 1).tolist() == [2, 3]
        assert tg.sum(tg.tensor([True])).item() == 1


# Backward


@pytest.mark.parametrize("create_graph", [False, True])
def test_the_rule_that_made_it_is_named_and_no_gradient_changes(create_graph):
    x, w = leaf([1.0, 0.0]), leaf([2.0, 2.0])
    x.grad = tg.tensor([5.0, 5.0])
    with tg.debug():
        z = (tg.sqrt(x) * w).sum()
        with pytest.raises(FloatingPointError) as caught:
            z.backward(create_graph=create_graph)
    rule = "divide" if create_graph else "sqrt, backward for x"  # with create_graph a rule is operations too
    assert str(caught.value) == f"{rule}: made inf at index (1,) of shape (2,) from finite operands"
    assert x.grad.tolist() == [5, 5]
    assert w.grad is None


def test_the_operand_is_named():
    base, exponent = leaf(0.0), leaf(-1.0)
    with np.errstate(divide="ignore"):
        z = base**exponent
    assert np.isinf(z.item())
    x, y = leaf([1e-30]), leaf([3e38])
    with tg.debug():
        z = (x * y / 1.0) * tg.tensor([1e30])
        with pytest.raises(FloatingPointError, match=r"^multiply, backward for x: made inf at index \(0,\)"):
            z.backward()
        parts = tg.concatenate([x, y]) * tg.tensor([1e30, 1.0])
        assert tg.grad(parts.sum(), [x, y])[0].tolist() == [np.float32(1e30)]


@pytest.mark.parametrize("create_graph", [False, True])
def test_an_overflow_of_a_sum_of_gradients_is_named(create_graph):
    x = leaf(1e-30)
    with tg.debug():
        y = x * 1.0
        z = y * 3e38 + y * 3e38
        with pytest.raises(FloatingPointError, match=r"^(add|the sum of the gradients that arrive at <multiply node)"):
            z.backward(create_graph=create_graph)
    assert x.grad is None


# The line


def test_an_error_in_a_rule_says_which_line_recorded_the_node():
    x = leaf(2.0)
    with tg.debug():
        y = x * 3
        z, line = broken(y), this_line()
        w = z + 1
        for walk in (lambda: tg.grad(w, x), lambda: w.backward(create_graph=True), w.backward):
            with pytest.raises(ZeroDivisionError) as caught:
                walk()
            (note,) = caught.value.__notes__
            assert note.startswith(f"in the backward walk at {z.node!r}, recorded at {__file__}, line {line}: ")
            assert note.endswith(": z, line = broken(y), this_line()")


def test_the_line_is_known_also_when_the_walk_is_outside():
    x = leaf(2.0)
    with tg.debug():
        z = broken(x)
    with pytest.raises(ZeroDivisionError) as caught:
        z.backward()
    assert __file__ in caught.value.__notes__[0]


def test_without_debug_there_is_no_line():
    z = broken(leaf(2.0))
    with pytest.raises(ZeroDivisionError) as caught:
        z.backward()
    assert not hasattr(caught.value, "__notes__")
    assert not hasattr(z.node, "where")


def test_the_line_is_the_users_behind_operators_methods_and_functions():
    x = leaf([[1.0, 2.0]])
    with tg.debug():
        made = [
            (x + 1, this_line()),
            (1 - x, this_line()),
            (x.sum(), this_line()),
            (tg.mean(x), this_line()),
            (x @ x.T, this_line()),
            (x[0], this_line()),
            (tg.stack([x, x]), this_line()),
            (tg.cross_entropy(x, [0]), this_line()),
            (next(iter(x)), this_line()),
            (tg.grad(x * x, x, [np.ones((1, 2))], create_graph=True)[0], this_line()),
        ]
    for z, line in made:
        for node in nodes(z):
            if node.primitive is not None:
                assert node.where.file == __file__
        assert z.node.where.number == line


def test_a_users_file_beside_the_package_is_the_users():
    """A path that begins like the package's is not in the package."""
    file = str(Path(diagnostics.__file__).parent) + "_homework.py"
    scope = {"tg": tg}
    exec(compile("def record(x):\n    return x * x\n", file, "exec"), scope)
    with tg.debug():
        z = scope["record"](leaf(1.0))
    assert (z.node.where.file, z.node.where.number) == (file, 2)
    assert str(z.node.where) == f"{file}, line 2"


# What is kept, and the mode


def test_every_value_and_gradient_is_kept():
    x = leaf(np.ones(KEPT_SIZE + 1))
    with tg.debug():
        y = x * 2
        y.backward(np.ones(KEPT_SIZE + 1))
    assert y.node.value.tolist() == [2] * (KEPT_SIZE + 1)
    assert y.node.gradient.tolist() == [1] * (KEPT_SIZE + 1)
    assert isinstance((x * 2).node.value, Unkept)


def test_debug_nests_decorates_and_ends_with_an_error():
    @tg.debug()
    def inside():
        return is_debugging()

    assert not is_debugging()
    with tg.debug():
        with tg.debug():
            assert is_debugging()
        assert is_debugging()
        assert inside()
    assert not is_debugging()
    assert inside()
    assert not is_debugging()
    with pytest.raises(KeyError), tg.debug():
        raise KeyError
    assert not is_debugging()


def test_debug_and_no_grad_in_both_orders():
    x = leaf(0.0)
    with tg.debug(), tg.no_grad():
        assert not (x * x).requires_grad
        with pytest.raises(FloatingPointError):
            tg.log(x)
    with tg.no_grad(), tg.debug():
        assert not (x * x).requires_grad
        with pytest.raises(FloatingPointError):
            tg.log(x)
    assert (x * x).requires_grad
    assert not hasattr((x * x).node, "where")


def test_debug_holds_for_its_own_thread():
    seen = []
    with tg.debug():
        thread = threading.Thread(target=lambda: seen.append(is_debugging()))
        thread.start()
        thread.join()
    assert seen == [False]
