"""Wrong backward rules of a fully connected layer, as students write them."""
# ruff: noqa: B905  (students write as they like)

import numpy as np

import tinygrad_cnn as tg
from tests.verify.rules.homework import Homework
from tests.verify.rules.oracles import differences

# Z = X W + B, one example a row


def affine(X, W, B):
    return X @ W + B


def dX(dZ, W):
    return dZ @ W.T


def dW(dZ, X):
    return X.T @ dZ


def dB(dZ):
    return dZ.sum(axis=0)


def dX_not_transposed(dZ, W):
    return dZ @ W


def dX_without_upstream(dZ, W):
    return np.ones_like(dZ) @ W.T


def dX_without_weight(dZ, X):
    return np.repeat(dZ.sum(axis=1, keepdims=True), X.shape[1], axis=1)


def dX_local_derivative(dZ, X, W):
    # The derivative of Z by X is W: so the student returns W.
    return W


def dX_sign(dZ, W):
    return -dZ @ W.T


def dX_not_transposed_and_negative(dZ, W):
    return -np.dot(dZ, W)


def dW_result_transposed(dZ, X):
    return dZ.T @ X


def dW_not_transposed(dZ, X):
    return X @ dZ


def dW_averaged(dZ, X):
    return X.T @ dZ / X.shape[0]


def dW_of_first_example(dZ, X):
    return np.outer(X[0], dZ[0])


def dW_of_last_example(dZ, X):
    for x, dz in zip(X, dZ):
        dW = np.outer(x, dz)
    return dW


def dW_without_x(dZ, X):
    return np.tile(dZ.sum(axis=0), (X.shape[1], 1))


def dW_without_upstream(dZ, X):
    return X.T @ np.ones(dZ.shape)


def dW_factor(dZ, X):
    return 2 * X.T.dot(dZ)


def dW_averaged_and_transposed(dZ, X):
    return (dZ.T @ X) / len(dZ)


def dW_averaged_and_negative(dZ, X):
    return -(X.T @ dZ) / len(X)


def dB_averaged(dZ):
    return dZ.mean(axis=0)


def dB_over_everything(dZ):
    return dZ.sum()


def dB_not_summed(dZ):
    return dZ


def dB_over_the_wrong_axis(dZ):
    return dZ.sum(axis=1)


def dB_kept_axis(dZ):
    return dZ.sum(axis=0, keepdims=True)


def dB_of_first_example(dZ):
    return dZ[0]


def dB_averaged_and_negative(dZ):
    return -1 * dZ.mean(0)


# tg.linear: weight is (out, in)


def dx(dout, weight):
    return dout @ weight


def dweight(dout, x):
    return dout.T @ x


def dbias(dout):
    return dout.sum(axis=0)


def dx_transposed(dout, weight):
    return dout @ weight.T


def dweight_transposed(dout, x):
    return x.T @ dout


def dweight_of_first_example(dout, x):
    return np.outer(dout[0], x[0])


ROWS = [
    {"X": (2, 2), "W": (2, 2), "B": (2,)},
    {"X": (3, 2), "W": (2, 4), "B": (4,)},
    {"X": (2, 3), "W": (3, 2), "B": (2,)},
]
FEATURES = [
    {"x": (2, 2), "weight": (2, 2), "bias": (2,)},
    {"x": (3, 2), "weight": (4, 2), "bias": (4,)},
    {"x": (2, 3), "weight": (2, 3), "bias": (2,)},
]


def rows(name, wrong, **rules):
    right = {"X": dX, "W": dW, "B": dB}
    return Homework(f"linear {name}", affine, right | rules, differences(affine), ROWS, wrong)


def features(name, wrong, **rules):
    right = {"x": dx, "weight": dweight, "bias": dbias}
    oracle = differences(lambda x, weight, bias: np.einsum("ni,oi->no", x, weight) + bias)
    return Homework(f"tg.linear {name}", tg.linear, right | rules, oracle, FEATURES, wrong)


HOMEWORK = [
    rows("dX not transposed", {"X": "transposed-matmul"}, X=dX_not_transposed),
    rows("dX without dZ", {"X": "upstream-missing"}, X=dX_without_upstream),
    rows("dX local derivative", {"X": "upstream-missing"}, X=dX_local_derivative),
    rows("dX without W", {"X": "operand-missing"}, X=dX_without_weight),
    rows("dX sign", {"X": "sign"}, X=dX_sign),
    rows("dX not transposed, sign", {"X": "transposed-matmul + sign"}, X=dX_not_transposed_and_negative),
    # (dZ)^T X is the transpose of X^T dZ.
    rows("dW transposed", {"W": {"result-transposed", "x-and-dz-swapped"}}, W=dW_result_transposed),
    rows("dW not transposed", {"W": "transposed-matmul"}, W=dW_not_transposed),
    rows("dW averaged", {"W": "averaged-over-batch"}, W=dW_averaged),
    rows("dW of the first example", {"W": "batch-not-summed"}, W=dW_of_first_example),
    rows("dW of the last example", {"W": {"overwritten-instead-of-added", "batch-not-summed"}}, W=dW_of_last_example),
    rows("dW without X", {"W": "operand-missing"}, W=dW_without_x),
    rows("dW without dZ", {"W": "upstream-missing"}, W=dW_without_upstream),
    rows("dW factor", {"W": "factor"}, W=dW_factor),
    rows(
        "dW averaged, transposed",
        {"W": {"averaged-over-batch + result-transposed", "averaged-over-batch + x-and-dz-swapped"}},
        W=dW_averaged_and_transposed,
    ),
    rows("dW averaged, sign", {"W": "averaged-over-batch + sign"}, W=dW_averaged_and_negative),
    rows("dB averaged", {"B": "averaged-over-batch"}, B=dB_averaged),
    rows("dB over everything", {"B": "bias-summed-over-too-many-axes"}, B=dB_over_everything),
    # With one axis to sum, summing over too few is not summing at all.
    rows("dB not summed", {"B": {"bias-not-summed", "bias-summed-over-too-few-axes"}}, B=dB_not_summed),
    rows("dB over the wrong axis", {"B": "bias-summed-over-wrong-axes"}, B=dB_over_the_wrong_axis),
    rows("dB keeps the axis", {"B": "axis-kept"}, B=dB_kept_axis),
    rows("dB of the first example", {"B": "batch-not-summed"}, B=dB_of_first_example),
    rows("dB averaged, sign", {"B": "averaged-over-batch + sign"}, B=dB_averaged_and_negative),
    features("dx transposed", {"x": "transposed-matmul"}, x=dx_transposed),
    features("dweight transposed", {"weight": {"result-transposed", "x-and-dz-swapped"}}, weight=dweight_transposed),
    features("dweight of the first example", {"weight": "batch-not-summed"}, weight=dweight_of_first_example),
]
