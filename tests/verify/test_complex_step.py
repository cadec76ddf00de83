"""Complex numbers for the complex step: the arithmetic of Python's own, and a refusal of everything that compares."""

import cmath
import operator

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import normals
from tinygrad_cnn.verify.complex_step import ComplexNumber, complex_array, complex_values

Z, W = complex(0.7, 0.3), complex(-1.2, 0.4)


@pytest.mark.parametrize("operation", [operator.add, operator.sub, operator.mul, operator.truediv, operator.pow])
@pytest.mark.parametrize("other", [W, 3, 2.5, np.float64(2.5), np.float32(2.5), np.int64(3), True])
def test_arithmetic(operation, other):
    given = ComplexNumber(other) if isinstance(other, complex) else other
    for result, expected in [
        (operation(ComplexNumber(Z), given), operation(Z, other)),
        (operation(given, ComplexNumber(Z)), operation(other, Z)),
    ]:
        assert isinstance(result, ComplexNumber)
        assert result.value == pytest.approx(complex(expected), rel=1e-6 if isinstance(other, np.float32) else 1e-14)


FUNCTIONS = """exp exp2 expm1 log log2 log10 log1p sqrt sin cos tan sinh cosh tanh
    arcsin arccos arctan arcsinh arccosh arctanh"""


@pytest.mark.parametrize("name", FUNCTIONS.split())
def test_functions_are_numpys(name):
    array = complex_array(np.array([0.7]), np.array([0.3]))
    (result,) = getattr(np, name)(array)
    assert result.value == pytest.approx(complex(getattr(np, name)(Z)), rel=1e-13)


def test_sigmoid():
    assert ComplexNumber(Z).sigmoid().value == pytest.approx(1 / (1 + cmath.exp(-Z)))


@pytest.mark.parametrize(
    "refused",
    [
        lambda z: z == z, lambda z: z != 0, lambda z: z < 1, lambda z: z <= z, lambda z: z > 0, lambda z: z >= 0,
        abs, bool, float, int, hash, lambda z: z + "1", np.sign, np.abs, np.conjugate, lambda z: np.maximum(z, 0),
        lambda z: np.array([z, z]).max(), lambda z: np.array([z, z]).argmax(), lambda z: np.sort(np.array([z, z])),
        lambda z: np.where(np.array([z]), 1, 0), lambda z: np.array([z]).astype(np.float64),
    ],
)  # fmt: skip
def test_refusals(refused):
    with pytest.raises(TypeError):
        refused(ComplexNumber(Z))


@pytest.mark.parametrize("shape", [(), (0,), (2, 3), (1, 0, 2)])
def test_arrays(shape):
    real, imaginary = normals(shape, 0), normals(shape, 1)
    array = complex_array(real, imaginary)
    assert array.shape == shape
    assert array.dtype == object
    assert np.array_equal(complex_values(array), real + 1j * imaginary)
    assert np.array_equal(complex_values(complex_array(real)), real)


def test_values_of_mixed_results():
    """Zeros that padding put beside them, and the single object that a sum gives."""
    mixed = np.array([ComplexNumber(Z), 0, 2.5], dtype=object)
    assert complex_values(mixed).tolist() == [Z, 0, 2.5]
    assert complex_values(ComplexNumber(Z)) == Z


def test_convolution_runs_on_them():
    x, dx = normals((2, 2, 4, 5), 0), normals((2, 2, 4, 5), 1)
    weight = normals((3, 2, 2, 3), 2)
    z = complex_values(tg.conv2d(complex_array(x, 1e-100 * dx), weight, padding=1, stride=2))
    np.testing.assert_allclose(z.real, tg.conv2d(x, weight, padding=1, stride=2), rtol=1e-12, atol=1e-13)
    np.testing.assert_allclose(z.imag * 1e100, tg.conv2d(dx, weight, padding=1, stride=2), rtol=1e-12, atol=1e-13)
