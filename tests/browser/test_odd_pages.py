"""Pages of what nobody expects: no steps, no numbers, other arithmetics, loops, every limit reached at once."""

import re
from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tinygrad_cnn import nn
from tinygrad_cnn.viz.pages.convolution import convolution_page
from tinygrad_cnn.viz.pages.convolution.page import LIMITS
from tinygrad_cnn.viz.pages.graph import page

NAMES = ["__proto__", "constructor", "</script><img src=x onerror=alert(1)>", "\x00\ud800", "${x}", "n" * 9999]


def leaf(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def walked(y):
    y.backward()
    return y


class Loop(nn.Module):
    """One module called in a loop, one called twice, and an output in a dict."""

    def __init__(self):
        self.cell = nn.Linear(3, 3)

    def forward(self, x):
        states = [x]
        for _ in range(4):
            states.append(tg.tanh(self.cell(states[-1]) + x))
        return {"last": states[-1], "all": (tg.stack(states), [self.cell(x)])}


def with_names():
    y = leaf(0.5, NAMES[0])
    for name in NAMES[1:]:
        y = y * leaf(2.0, name) + y
    return walked(y)


def without_numbers():
    with np.errstate(all="ignore"):
        return walked(tg.sum(leaf(np.array([np.nan, 1.0, 2.0]), "x") * 2) * 1e300)


ODD = {
    "one leaf": lambda: leaf(3.0, "x"),
    "nothing in it": lambda: leaf(np.zeros((0, 3))),
    "sum of nothing": lambda: walked(tg.sum(leaf(np.zeros((2, 0))) * 2)),
    "NaN": without_numbers,
    "half precision": lambda: walked(tg.sum(leaf(np.ones((3, 3), np.float16)) * np.float16(7))),
    "fractions": lambda: walked(tg.sum(leaf(np.array([Fraction(1, 3), Fraction(10**50, 7)], dtype=object)) ** 2)),
    "names": with_names,
    "several outputs": lambda: [walked(leaf(1.0, "x") * 2), leaf(2.0) + 1],
    "loop": lambda: list(Loop()(tg.tensor(np.ones((1, 3))))["all"][1]),
}


@pytest.mark.parametrize("what", ODD)
def test_every_key_answers(open_page, what):
    opened = open_page(page(ODD[what](), path=None), reduced_motion=True)
    caption = opened.locator("#caption")
    opened.keyboard.press("Home")
    steps = int(opened.locator("#slider").get_attribute("max"))
    for step in range(1, steps + 1):
        opened.keyboard.press(".")
        assert int(caption.get_attribute("data-position")) == step
        assert "undefined" not in caption.text_content()
        assert "NaN" not in caption.text_content()  # Python's is written nan, so this one is the script's
    for key in (*"nnn[]]0+-t", "Escape", "t", "End", "Home"):
        opened.keyboard.press(key)
    opened.keyboard.press("/")
    opened.keyboard.type("multiply")
    opened.keyboard.press("Enter")
    for box in opened.locator(".box").all()[:12]:
        box.dispatch_event("click")
        assert not re.search("undefined|NaN|\\[object", opened.locator("#details").inner_text())


def test_a_model_in_a_loop_with_outputs_in_a_dict(open_page):
    model = Loop().train()
    before = {name: value.numpy().copy() for name, value in model.state_dict().items()}
    opened = open_page(page(model, path=None, inputs=(1, 3)), reduced_motion=True)
    for _ in range(3):
        opened.keyboard.press("]")
    opened.keyboard.press("t")
    table = opened.locator("#table").inner_text()
    assert table.count("output") >= 3
    assert model.training
    assert all(np.array_equal(before[name], value.numpy()) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_a_convolution_page_at_all_its_limits(open_page):
    side, kernel, planes = LIMITS["side"], LIMITS["kernel"], LIMITS["planes"]
    rng = np.random.default_rng(0)
    x = rng.integers(0, 256, (planes, planes, side, side))
    weight = rng.integers(-3, 4, (planes, planes, kernel, kernel))
    opened = open_page(convolution_page(x, weight, np.zeros(planes), padding=kernel - 1))
    for tab in ("forward", "dx", "dk", "db"):
        opened.click(f"#tab-{tab}")
        # One plane of several is drawn where all of them together would make the page slow.
        assert opened.locator("#stage td").count() < 10_000
        assert f"and {planes - 1} " in opened.locator("#stage").inner_text()
    opened.click("#tab-forward")
    opened.keyboard.press("End")
    opened.locator('table[data-grid="z"] td').last.hover()
    assert opened.locator('select[data-choice="slice"]').input_value() == "0"
    z = tg.conv2d(x.astype(float), weight.astype(float), padding=kernel - 1)
    last = opened.locator('table[data-grid="z"] td').last.get_attribute("data-value")
    assert float(last) == z[0, 0, -1, -1]
