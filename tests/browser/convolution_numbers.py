"""The numbers of a convolution page, read out of its tables, and the library's own for the same case."""

from dataclasses import dataclass, field
from fractions import Fraction

import numpy as np

import tinygrad_cnn as tg

MODES = ("zeros", "reflect", "replicate", "circular", "symmetric")

# Opens a tab, goes through all planes that its selects offer, each to the end of its sweep, and reads what was filled:
# [[plane, rows of numbers as text]]. In the page, because one call is ten times as fast as one for every click.
SWEEP = """([tab, key]) => {
  const change = (element, event) => element.dispatchEvent(new Event(event, {bubbles: true}));
  const read = () => {
    const slider = document.querySelector(".progress");
    slider.value = slider.max;
    change(slider, "input");
    const tables = document.querySelectorAll(`table[data-grid="${key}"]`);
    if (tables.length !== 1) throw new Error(`expected one grid ${key} but there are ${tables.length}`);
    return [[tables[0].dataset.plane, [...tables[0].rows].map((row) => [...row.cells]
      .filter((cell) => !cell.classList.contains("kind-cut")).map((cell) => cell.dataset.value ?? ""))]];
  };
  const visit = ([name, ...rest]) => {
    if (!name) return read();
    const select = () => document.querySelector(`select[data-choice="${name}"]`);
    return Array.from({length: select().options.length}, (_, i) => {
      select().selectedIndex = i;
      change(select(), "change");
      return visit(rest);
    }).flat();
  };
  document.getElementById(`tab-${tab}`).click();
  return visit([...document.querySelectorAll("select[data-choice]")].map((select) => select.dataset.choice)
    .filter((name) => name !== "slice"));
}"""


def number(text):
    assert text != "", "a cell was not filled"
    return float(Fraction(text)) if "/" in text else float(text)


def sweep(page, tab, key):
    """Everything that a tab's sweep has made of the array with this key, {plane's index: rows}."""
    planes = page.evaluate(SWEEP, [tab, key])
    return {plane: [[number(cell) for cell in row] for row in rows if row] for plane, rows in planes}


def array(planes, shape):
    values = np.full(shape, np.nan)
    for plane, rows in planes.items():
        index = tuple(map(int, plane.split(",")))
        if len(shape) == 1:
            values[index] = rows[0][0]
        else:
            values[index] = rows
    return values


@dataclass
class Numbers:
    """What a page shows of a case: Z by each forward sweep, and the gradients."""

    z: list
    dx: np.ndarray
    dk: np.ndarray | None
    db: np.ndarray | None


@dataclass(frozen=True)
class Case:
    operation: str
    x: tuple
    weight: tuple | None = None
    options: dict = field(default_factory=dict)
    bias: bool = True
    tied: bool = False

    def __str__(self):
        options = ", ".join(f"{name} {value}" for name, value in self.options.items())
        return f"{self.operation} {self.x} {self.weight or ''} {options}"

    def arrays(self):
        rng = np.random.default_rng(len(str(self)))
        low, high = (-1, 2) if self.tied else (-9, 10)
        x = rng.integers(low, high, self.x) / (1 if self.tied else 4)
        if self.weight is None:
            return x, None, None
        weight = rng.integers(-9, 10, self.weight) / 8
        filters = (
            self.weight[1] * self.options.get("groups", 1) if self.operation == "conv_transpose2d" else self.weight[0]
        )
        return x, weight, rng.integers(-9, 10, filters) / 2 if self.bias else None

    def run(self, x, weight, bias):
        operands = [a for a in (x, weight, bias) if a is not None]
        return getattr(tg, self.operation)(*operands, **self.options)


def library(case, x, weight, bias, dz):
    """The library's output and gradients."""
    tensors = [None if a is None else tg.tensor(a, requires_grad=True) for a in (x, weight, bias)]
    z = case.run(*tensors)
    z.backward(tg.tensor(dz))
    grads = [None if t is None else t.grad.numpy() for t in tensors]
    return Numbers([z.numpy()], *grads)


def shown(page, case, x, weight, bias, shape):
    forward = ["forward", "dilated"] if case.operation == "conv_transpose2d" else ["forward"]
    return Numbers(
        [array(sweep(page, tab, "z"), shape) for tab in forward],
        array(sweep(page, "dx", "dx"), x.shape),
        None if weight is None else array(sweep(page, "dk", "dk"), weight.shape),
        None if bias is None else array(sweep(page, "db", "db"), bias.shape),
    )


def assert_numbers(actual, expected):
    def close(a, b):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-12)

    for z in actual.z:
        close(z, expected.z[0])
    for name in ("dx", "dk", "db"):
        a, b = getattr(actual, name), getattr(expected, name)
        assert (a is None) == (b is None)
        if b is not None:
            close(a, b)
