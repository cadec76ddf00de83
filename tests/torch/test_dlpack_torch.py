"""Values to PyTorch and back through DLPack."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.operands import assert_equal, normals

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.torch


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64, np.int64, np.uint8, np.bool_])
@pytest.mark.parametrize("shape", [(), (3,), (2, 3, 4), (0, 2)])
def test_round_trip(dtype, shape):
    array = np.asarray(10 * normals(shape, 1)).astype(dtype)
    x = tg.tensor(array)
    out = torch.from_dlpack(x)
    assert str(out.dtype).removeprefix("torch.") == np.dtype(dtype).name
    assert_equal(out.numpy(), array)
    again = tg.from_dlpack(out)
    assert again.dtype == dtype
    assert_equal(again.numpy(), array)
    assert_equal(torch.utils.dlpack.from_dlpack(tg.transpose(x)).numpy(), array.T)


def test_neither_side_can_change_what_the_other_holds():
    """PyTorch writes to memory that DLPack marks as read-only, so each side has its own."""
    x = tg.tensor([1.0, 2.0], requires_grad=True)
    y = x * x
    out = torch.from_dlpack(x.detach())
    out[:] = 100
    back = tg.from_dlpack(out)
    out[:] = 0
    assert back.tolist() == [100, 100]
    assert tg.grad(y, x, [np.ones(2)])[0].tolist() == [2, 4]


def test_gradients_stay_where_they_are():
    with pytest.raises(BufferError, match=r"^__dlpack__: .*detach\(\)"):
        torch.from_dlpack(tg.tensor([1.0], requires_grad=True))
    with pytest.raises(BufferError, match=r"^from_dlpack: .*detach\(\)"):
        tg.from_dlpack(torch.ones(2, requires_grad=True))


@pytest.mark.parametrize("tensor", [
    torch.ones(2, dtype=torch.bfloat16), torch.ones(2, device="meta"), torch.ones(2).to_sparse(),
])  # fmt: skip
def test_what_numpy_has_no_counterpart_for(tensor):
    with pytest.raises(BufferError, match=r"^from_dlpack: Tensor can't be taken over: "):
        tg.from_dlpack(tensor)


def test_transposed_and_strided_memory():
    base = torch.arange(24.0).reshape(2, 3, 4)
    for view in (base.permute(2, 0, 1), base[:, ::2], base[..., 1:3]):
        assert_equal(tg.from_dlpack(view).numpy(), view.numpy())


def test_a_whole_step_beside_pytorch():
    """A weight goes over, PyTorch computes a gradient, and it comes back as the tensor's."""
    w = tg.tensor(normals((3, 2), 1), requires_grad=True)
    weight = torch.from_dlpack(w.detach()).requires_grad_()
    torch.tanh(weight).sum().backward()
    w.grad = tg.from_dlpack(weight.grad)
    expected = tg.grad(tg.tanh(w).sum(), w)[0]
    np.testing.assert_allclose(w.grad.numpy(), expected.numpy(), rtol=1e-15)
