"""einsum and NumPy's products against a loop over all letters, exactly, with gradients; NumPy's equations; refusals."""

import math
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.dual_numbers import exact_gradients
from tests.finite_differences import check_gradients
from tests.operands import assert_close, assert_equal, fractions, integers, layouts, normals, scalars, tensors


def loop(equation, *operands):
    """z at each place: the sum, over the letters that it lacks, of products; an axis of size 1 broadcasts."""
    inputs, output = equation.split("->")
    names = inputs.split(",")
    sizes = {}
    for axes, x in zip(names, operands, strict=True):
        for letter, n in zip(axes, x.shape, strict=True):
            sizes[letter] = n if sizes.get(letter, 1) == 1 else sizes[letter]
    z = np.full([sizes[letter] for letter in output], Fraction(0), dtype=object)
    for place in product(*map(range, sizes.values())):
        at = dict(zip(sizes, place, strict=True))
        term = Fraction(1)
        for axes, x in zip(names, operands, strict=True):
            term *= x[tuple(0 if n == 1 else at[letter] for letter, n in zip(axes, x.shape, strict=True))]
        z[tuple(at[letter] for letter in output)] += term
    return z


# equation, the same with every axis named, shapes
EQUATIONS = [
    # one operand
    ("->", "->", [()]),
    ("", "->", [()]),
    ("i->i", "i->i", [(3,)]),
    ("i->", "i->", [(3,)]),
    ("ij->ji", "ij->ji", [(2, 3)]),
    ("ba", "ba->ab", [(2, 3)]),
    ("ij->i", "ij->i", [(2, 3)]),
    ("ijk->kj", "ijk->kj", [(2, 3, 2)]),
    ("ii->i", "ii->i", [(3, 3)]),
    ("ii", "ii->", [(3, 3)]),
    ("iij->ji", "iij->ji", [(2, 2, 3)]),
    ("iji", "iji->j", [(2, 3, 2)]),
    ("iii->i", "iii->i", [(2, 2, 2)]),
    ("ijij->", "ijij->", [(2, 3, 2, 3)]),
    ("...", "ab->ab", [(2, 3)]),
    ("...->", None, [()]),
    ("i...->...", "iab->ab", [(2, 3, 2)]),
    ("...ij->...ji", "aij->aji", [(2, 3, 2)]),
    ("...ii->...", "aii->a", [(2, 3, 3)]),
    ("a...a", "aba->b", [(2, 3, 2)]),
    # two operands
    (",", ",->", [(), ()]),
    (",i", ",i->i", [(), (3,)]),
    ("i,->i", "i,->i", [(3,), ()]),
    ("i,i", "i,i->", [(3,), (3,)]),
    ("i,i->i", "i,i->i", [(3,), (3,)]),
    ("i,j", "i,j->ij", [(2,), (3,)]),
    ("i,j->ji", "i,j->ji", [(2,), (3,)]),
    ("i,j->", "i,j->", [(2,), (3,)]),
    ("ij,jk", "ij,jk->ik", [(2, 3), (3, 4)]),
    ("ij,jk->ki", "ij,jk->ki", [(2, 3), (3, 4)]),
    ("ij,kj->ik", "ij,kj->ik", [(2, 3), (4, 3)]),
    ("ij,ij->", "ij,ij->", [(2, 3), (2, 3)]),
    ("ij,ji->", "ij,ji->", [(2, 3), (3, 2)]),
    ("ij,ij->ji", "ij,ij->ji", [(2, 3), (2, 3)]),
    ("ij,ij->j", "ij,ij->j", [(2, 3), (2, 3)]),
    ("ij,j->i", "ij,j->i", [(2, 3), (3,)]),
    ("j,ij->i", "j,ij->i", [(3,), (2, 3)]),
    ("ij,k->k", "ij,k->k", [(2, 3), (2,)]),
    ("bij,bjk->bik", "bij,bjk->bik", [(2, 2, 3), (2, 3, 2)]),
    ("ibj,jkb->kib", "ibj,jkb->kib", [(2, 2, 3), (3, 2, 2)]),
    ("abc,abd->cbd", "abc,abd->cbd", [(2, 3, 2), (2, 3, 4)]),
    ("nhwc,hwcf->nf", "nhwc,hwcf->nf", [(2, 2, 1, 3), (2, 1, 3, 2)]),
    ("Ab,bA", "Ab,bA->", [(2, 3), (3, 2)]),
    ("aB,Bc", "aB,Bc->ac", [(2, 3), (3, 2)]),
    ("bA,cB", "bA,cB->ABbc", [(2, 1), (2, 2)]),
    ("ii,ij->j", "ii,ij->j", [(3, 3), (3, 2)]),
    ("ii,jj->ij", "ii,jj->ij", [(2, 2), (3, 3)]),
    ("iij,jkk->ik", "iij,jkk->ik", [(2, 2, 3), (3, 2, 2)]),
    ("...ij,...jk->...ik", "aij,ajk->aik", [(2, 2, 3), (2, 3, 2)]),
    ("...ij,jk", "abij,jk->abik", [(2, 1, 2, 3), (3, 2)]),
    ("...,...", "ab,ab->ab", [(2, 3), (2, 3)]),
    ("...i,...i", "abi,bi->ab", [(2, 3, 2), (3, 2)]),
    ("i...,...", "iab,b->abi", [(2, 3, 2), (2,)]),
    ("...,...,...", ",b,ab->ab", [(), (3,), (2, 3)]),
    (" i j , j k -> i k ", "ij,jk->ik", [(2, 3), (3, 2)]),
    # an axis of size 1 that broadcasts, named and not
    ("i,i->i", "i,i->i", [(1,), (3,)]),
    ("i,i->", "i,i->", [(3,), (1,)]),
    ("ij,jk->ik", "ij,jk->ik", [(2, 1), (3, 2)]),
    ("ij,ij->i", "ij,ij->i", [(2, 1), (1, 3)]),
    ("...i,...i", "abi,abi->ab", [(2, 1, 3), (1, 2, 3)]),
    ("i,i,i->i", "i,i,i->i", [(1,), (1,), (3,)]),
    ("i,i->i", "i,i->i", [(1,), (1,)]),
    # three and more
    ("i,ij,j", "i,ij,j->", [(2,), (2, 3), (3,)]),
    ("ij,ij,ij->i", "ij,ij,ij->i", [(2, 3), (2, 3), (2, 3)]),
    ("i,i,i->i", "i,i,i->i", [(2,), (2,), (2,)]),
    ("i,j,k->kji", "i,j,k->kji", [(2,), (1,), (3,)]),
    ("ab,bc,cd->da", "ab,bc,cd->da", [(2, 3), (3, 2), (2, 2)]),
    ("ab,bc,cd,de", "ab,bc,cd,de->ae", [(2, 2), (2, 3), (3, 2), (2, 2)]),
    ("a,ab,abc->c", "a,ab,abc->c", [(2,), (2, 2), (2, 2, 3)]),
    ("i,,j->ij", "i,,j->ij", [(2,), (), (3,)]),
    # empty axes: a sum over nothing is 0
    ("ij,jk->ik", "ij,jk->ik", [(2, 0), (0, 3)]),
    ("ij,jk->ik", "ij,jk->ik", [(0, 2), (2, 3)]),
    ("i->", "i->", [(0,)]),
    ("ii->i", "ii->i", [(0, 0)]),
    ("i,i->i", "i,i->i", [(1,), (0,)]),
]
EQUATIONS = [(equation, explicit or "->", shapes) for equation, explicit, shapes in EQUATIONS]
by_equation = pytest.mark.parametrize(
    ("equation", "explicit", "shapes"), EQUATIONS, ids=[f"{equation} {shapes}" for equation, _, shapes in EQUATIONS]
)


def assert_same_numbers(tensor, expected):
    """Exactly; a sum over nothing is 0 in any arithmetic."""
    assert tensor.dtype == object
    assert_equal(np.asarray(tensor.numpy(), dtype=object), np.asarray(expected, dtype=object))


@by_equation
@pytest.mark.parametrize("create_graph", [False, True])
def test_values_and_gradients_are_those_of_the_loop(equation, explicit, shapes, create_graph):
    arrays = [fractions(shape, i) for i, shape in enumerate(shapes)]
    operands = tensors(*arrays)
    z = tg.einsum(equation, *operands)
    assert_same_numbers(z, loop(explicit, *arrays))
    weights = fractions(z.shape, 9)
    gradients = tg.grad(z, operands, [weights], create_graph=create_graph)
    expected = exact_gradients(lambda *xs: loop(explicit, *xs), arrays, weights)
    for dx, slopes in zip(gradients, expected, strict=True):
        assert_same_numbers(dx, slopes)


@by_equation
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_numpy_understands_the_same(equation, explicit, shapes, dtype):
    arrays = [integers(shape, i, dtype) for i, shape in enumerate(shapes)]
    expected = np.einsum(equation, *arrays)
    z = tg.einsum(equation, *arrays)
    assert not isinstance(z, tg.Tensor)
    assert_equal(np.asarray(z), np.asarray(expected))
    z = tg.einsum(equation, *tensors(*arrays))
    assert z.dtype == dtype
    assert_equal(z.numpy(), np.asarray(expected))


@by_equation
def test_gradients_of_second_and_third_order(equation, explicit, shapes):
    if math.prod(n for shape in shapes for n in shape) > 40:
        shapes = [tuple(min(n, 2) for n in shape) for shape in shapes]
    arrays = [normals(shape, i) for i, shape in enumerate(shapes)]
    check_gradients(lambda *xs: tg.einsum(equation, *xs), *arrays, order=3, tolerance=1e-6)


def test_the_same_tensor_twice_and_operands_without_gradient():
    x = normals((3, 3), 1)
    (a,) = tensors(x)
    z = tg.einsum("ij,jk,ki", a, a, a)
    assert_close(tg.grad(z, a)[0].numpy(), 3 * (x @ x).T, 1e-14)
    k = tg.tensor(x)
    for operands in ([a, k], [k, a], [a, x], [x, a]):
        z = tg.einsum("ij,jk->ik", *operands)
        (da,) = tg.grad(z, a, [np.ones((3, 3))])
        left = operands[0] is a
        assert_close(da.numpy(), np.ones((3, 3)) @ x.T if left else x.T @ np.ones((3, 3)), 1e-14)
    assert not tg.einsum("ij,jk", k, k).requires_grad
    assert tg.einsum("i,ij->j", [1.0, 2.0, 4.0], a).tolist() == pytest.approx(x[0] + 2 * x[1] + 4 * x[2])


def test_a_product_of_two_is_one_node():
    a, b = tensors(normals((2, 3), 1), normals((3, 4), 2))
    z = tg.einsum("ij,jk->ik", a, b)
    assert (z.node.primitive.name, z.node.options) == ("einsum", {"equation": "ij,jk->ik"})
    assert z.node.parents == (a.node, b.node)
    assert_equal(z.numpy(), (a @ b).numpy())


def test_memory_layout_makes_no_difference():
    x, y = normals((2, 3, 4), 1), normals((3, 5, 2), 2)
    a, b = tensors(x, y)
    z = tg.einsum("bij,ikb->bjk", a, b)
    dz = normals(z.shape, 3)
    expected = tg.grad(z, [a, b], [dz])
    for name in layouts(x):
        c, d = tensors(layouts(x)[name], layouts(y)[name])
        other = tg.einsum("bij,ikb->bjk", c, d)
        assert_close(other.numpy(), z.numpy(), 1e-15)
        for actual, wanted in zip(tg.grad(other, [c, d], [layouts(dz)[name]]), expected, strict=True):
            assert_close(actual.numpy(), wanted.numpy(), 1e-14)


def test_symbols_and_scalar_tensors():
    sympy = pytest.importorskip("sympy")
    x = np.array(sympy.symbols("x:2:2"), dtype=object).reshape(2, 2)
    y = np.array(sympy.symbols("y:2"), dtype=object)
    a, b = tensors(x, y)
    z = tg.einsum("ij,j->i", a, b)
    assert z.tolist() == [x[0, 0] * y[0] + x[0, 1] * y[1], x[1, 0] * y[0] + x[1, 1] * y[1]]
    da, db = tg.grad(z.sum(), [a, b])
    assert da.tolist() == [list(y), list(y)]
    assert db.tolist() == [x[0, 0] + x[1, 0], x[0, 1] + x[1, 1]]
    values, factors = normals((2, 2), 1), normals((2,), 2)
    s, t = scalars(values), scalars(factors)
    total = tg.einsum("ij,j->", s, t)
    total.backward()
    np.testing.assert_allclose([[e.grad.item() for e in row] for row in s], [list(factors)] * 2, rtol=1e-15)
    np.testing.assert_allclose([e.grad.item() for e in t], values.sum(0), rtol=1e-15)


def test_random_equations():
    """Up to three operands of up to three axes with letters drawn freely: diagonals, sums, outer products and all."""
    hypothesis = pytest.importorskip("hypothesis")
    from hypothesis.strategies import data, integers, lists, permutations, sampled_from

    @hypothesis.settings(max_examples=150, deadline=None, database=None)
    @hypothesis.given(data())
    def check(drawn):
        sizes = {letter: drawn.draw(integers(1, 3)) for letter in "abcd"}
        names = drawn.draw(lists(lists(sampled_from("abcd"), max_size=3).map("".join), min_size=1, max_size=3))
        letters = sorted(set("".join(names)))
        kept = drawn.draw(permutations(letters))[: drawn.draw(integers(0, len(letters)))]
        equation = ",".join(names) + "->" + "".join(kept)
        arrays = [fractions(tuple(sizes[letter] for letter in name), i) for i, name in enumerate(names)]
        operands = tensors(*arrays)
        z = tg.einsum(equation, *operands)
        assert_same_numbers(z, loop(equation, *arrays))
        weights = fractions(z.shape, 9)
        expected = exact_gradients(lambda *xs: loop(equation, *xs), arrays, weights)
        for dx, slopes in zip(tg.grad(z, operands, [weights]), expected, strict=True):
            assert_same_numbers(dx, slopes)

    check()


@pytest.mark.parametrize(
    ("equation", "shapes", "message"),
    [
        ("ij,jk->ik", [(2, 3), (4, 2)], "einsum: 'j' in 'ij,jk->ik' has sizes 3 and 4"),
        ("ii", [(2, 3)], "einsum: 'i' in 'ii' has sizes 2 and 3"),
        ("ii", [(1, 3)], "einsum: 'i' in 'ii' has sizes 1 and 3"),
        ("...i,...i", [(2, 3), (3, 3)], "has sizes 2 and 3"),
        ("ij", [(2,)], r"einsum: 'ij' in 'ij' does not name the axes of an operand of shape \(2,\)"),
        ("i", [(2, 3)], r"einsum: 'i' in 'i' does not name the axes of an operand of shape \(2, 3\)"),
        ("...ij", [(2,)], r"einsum: '...ij' in '...ij' does not name the axes"),
        ("i,j", [(2,)], "einsum: 'i,j' has 2 operands but 1 came"),
        ("i", [(2,), (2,)], "einsum: 'i' has 1 operands but 2 came"),
        ("i", [], "einsum: 'i' has 1 operands but 0 came"),
        ("i->j", [(2,)], "einsum: each letter of the result must stand in an operand, and once, but came 'i->j'"),
        ("i->ii", [(2,)], "einsum: each letter of the result must stand in an operand, and once"),
        ("i->i->i", [(2,)], "einsum: expected letters, commas, '...' and '->' but the equation is 'i->i->i'"),
        ("i1", [(2, 2)], "einsum: expected letters"),
        ("i..", [(2, 2)], "einsum: expected letters"),
        ("......", [(2, 2)], "einsum: expected letters"),
        ("i->.", [(2,)], "einsum: expected letters"),
        ("...i->i", [(2, 3)], r"einsum: the result of '...i->i' needs '...' for the 1 axes that it stands for"),
    ],
)
def test_bad_equations_are_refused(equation, shapes, message):
    operands = tensors(*(np.zeros(shape) for shape in shapes))
    with pytest.raises(ValueError, match=message):
        tg.einsum(equation, *operands)
    with pytest.raises(ValueError, match=r"."):  # nor does NumPy take it
        np.einsum(equation, *(np.zeros(shape) for shape in shapes))


def test_what_is_no_equation_is_refused():
    with pytest.raises(TypeError, match=r"^einsum: the equation must be a string but is "):
        tg.einsum(np.zeros(2), [0], np.zeros(2), [0])


# NumPy's products


def naive_tensordot(x, y, left, right):
    rest = [i for i in range(x.ndim) if i not in left], [i for i in range(y.ndim) if i not in right]
    z = np.full([*(x.shape[i] for i in rest[0]), *(y.shape[i] for i in rest[1])], Fraction(0), dtype=object)
    for place in np.ndindex(z.shape):
        for summed in product(*(range(x.shape[i]) for i in left)):
            at_x, at_y = [0] * x.ndim, [0] * y.ndim
            for i, k in [*zip(rest[0], place, strict=False), *zip(left, summed, strict=True)]:
                at_x[i] = k
            for i, k in [*zip(rest[1], place[len(rest[0]) :], strict=True), *zip(right, summed, strict=True)]:
                at_y[i] = k
            z[place] += x[tuple(at_x)] * y[tuple(at_y)]
    return z


def check_product(function, naive, x_shape, y_shape, of_numpy):
    x, y = fractions(x_shape, 1), fractions(y_shape, 2)
    a, b = tensors(x, y)
    z = function(a, b)
    assert_same_numbers(z, naive(x, y))
    weights = fractions(z.shape, 3)
    for create_graph in (False, True):
        gradients = tg.grad(z, [a, b], [weights], create_graph=create_graph)
        for dx, slopes in zip(gradients, exact_gradients(naive, [x, y], weights), strict=True):
            assert_same_numbers(dx, slopes)
    x, y = integers(x_shape, 1), integers(y_shape, 2)
    assert_equal(np.asarray(function(x, y)), np.asarray(of_numpy(x, y)))


@pytest.mark.parametrize(
    ("x_shape", "y_shape", "axes", "left", "right"),
    [
        ((2, 3), (2, 3), 2, (0, 1), (0, 1)),
        ((2, 3), (3, 2), 1, (1,), (0,)),
        ((2,), (3,), 0, (), ()),
        ((), (3,), 0, (), ()),
        ((2, 3, 2), (3, 2, 2), 2, (1, 2), (0, 1)),
        ((2, 3), (3, 2), ([0], [1]), (0,), (1,)),
        ((2, 3), (3, 2), (0, 1), (0,), (1,)),
        ((2, 3), (3, 2), ((1, 0), (0, 1)), (1, 0), (0, 1)),
        ((2, 3, 4), (4, 2), ((-1, 0), (0, -1)), (2, 0), (0, 1)),
        ((2, 3), (3, 2), ((), ()), (), ()),
        ((2, 0), (0, 3), 1, (1,), (0,)),
        ((1, 1), (1, 1), 1, (1,), (0,)),
    ],
)
def test_tensordot(x_shape, y_shape, axes, left, right):
    check_product(
        lambda x, y: tg.tensordot(x, y, axes),
        lambda x, y: naive_tensordot(x, y, left, right),
        x_shape,
        y_shape,
        lambda x, y: np.tensordot(x, y, axes),
    )


SHAPES = [
    ((), ()),
    ((), (3,)),
    ((2, 3), ()),
    ((3,), (3,)),
    ((1,), (1,)),
    ((2, 3), (3,)),
    ((3,), (2, 3)),
    ((2, 3), (2, 3)),
    ((2, 1, 3), (2, 3)),
    ((0,), (0,)),
]


@pytest.mark.parametrize(("x_shape", "y_shape"), SHAPES)
def test_inner(x_shape, y_shape):
    left, right = ((len(x_shape) - 1,), (len(y_shape) - 1,)) if x_shape and y_shape else ((), ())
    check_product(tg.inner, lambda x, y: naive_tensordot(x, y, left, right), x_shape, y_shape, np.inner)


@pytest.mark.parametrize(("x_shape", "y_shape"), [(x, y[:-2] + y[:-3:-1]) for x, y in SHAPES])
def test_dot(x_shape, y_shape):
    left, right = ((len(x_shape) - 1,), (max(len(y_shape) - 2, 0),)) if x_shape and y_shape else ((), ())
    check_product(tg.dot, lambda x, y: naive_tensordot(x, y, left, right), x_shape, y_shape, np.dot)
    x, y = integers(x_shape, 1), integers(y_shape, 2)
    assert_equal(tg.tensor(x).dot(y).numpy(), np.asarray(x.dot(y)))


@pytest.mark.parametrize(
    ("x_shape", "y_shape"), [((2,), (3,)), ((2, 2), (3,)), ((), (2,)), ((0,), (2,)), ((1, 2), (2, 1))]
)
def test_outer(x_shape, y_shape):
    check_product(
        tg.outer, lambda x, y: naive_tensordot(x.reshape(-1), y.reshape(-1), (), ()), x_shape, y_shape, np.outer
    )


@pytest.mark.parametrize(("x_shape", "y_shape"), [((3,), (3,)), ((2, 3), (3, 2)), ((), (1,)), ((0,), (0, 2)), ((), ())])
def test_vdot(x_shape, y_shape):
    check_product(
        tg.vdot, lambda x, y: naive_tensordot(x.reshape(-1), y.reshape(-1), (0,), (0,)), x_shape, y_shape, np.vdot
    )


def test_products_to_third_order():
    x, y = normals((2, 3), 1), normals((3, 2), 2)
    for function in (tg.tensordot, tg.dot, tg.outer, tg.vdot):
        check_gradients(
            lambda x, y, f=function: f(x, y if f is not tg.tensordot else y.T), x, y, order=3, tolerance=1e-6
        )
    check_gradients(lambda x: tg.inner(x, x) ** 2 + tg.trace(x[:, :2]), x, order=3, tolerance=1e-6)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda x: tg.tensordot(x, x, 1),
            ValueError,
            r"tensordot: axes \(1,\) of shape \(2, 3\) and \(0,\) of shape \(2, 3",
        ),
        (lambda x: tg.tensordot(x, x, 3), ValueError, "tensordot: axes must be 0 to 2 for 2 and 2 axes but is 3"),
        (lambda x: tg.tensordot(x, x, -1), ValueError, "tensordot: axes must be 0 to 2"),
        (lambda x: tg.tensordot(x, x, (0,)), ValueError, "tensordot: axes must be a number or a pair"),
        (lambda x: tg.tensordot(x, x, ((0, 1), (0,))), ValueError, r"tensordot: axes \(0, 1\) of shape"),
        (lambda x: tg.tensordot(x, x, ((0, 0), (0, 1))), ValueError, "tensordot: each axis may come once"),
        (lambda x: tg.tensordot(x, x, (2, 0)), ValueError, "tensordot: expected an axis of -2 to 1"),
        (lambda x: tg.tensordot(x, x, 1.5), TypeError, "tensordot: axes must be an integer but is 1.5"),
        (
            lambda x: tg.inner(x, x.T),
            ValueError,
            r"inner: axes \(1,\) of shape \(2, 3\) and \(1,\) of shape \(3, 2\) differ",
        ),
        (lambda x: tg.dot(x, x), ValueError, r"dot: axes \(1,\) of shape \(2, 3\) and \(0,\) of shape \(2, 3\) differ"),
        (
            lambda x: tg.vdot(x, x[0]),
            ValueError,
            r"vdot: axes \(0,\) of shape \(6,\) and \(0,\) of shape \(3,\) differ",
        ),
        (
            lambda x: tg.tensordot(np.zeros((1,) * 27), np.zeros((1,) * 26), 0),
            ValueError,
            "tensordot: expected at most 52 axes but got 27 and 26",
        ),
    ],
)
def test_what_does_not_fit_is_refused(call, error, message):
    with pytest.raises(error, match=f"^{message}"):
        call(tensors(np.zeros((2, 3)))[0])
