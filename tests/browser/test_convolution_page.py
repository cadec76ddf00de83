"""The convolution page: edits, settings, steps and keys, and its numbers afterwards."""

from fractions import Fraction

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.browser.convolution_numbers import MODES, Case, array, assert_numbers, library, shown, sweep
from tinygrad_cnn.viz.images.kernels import KERNELS
from tinygrad_cnn.viz.pages.convolution import convolution_page

CONVOLUTIONS = ("conv2d", "convolve2d")


# Edits, made as a user makes them


def cell(page, key, row, column, plane=None):
    where = f'[data-plane="{plane}"]' if plane else ""
    return page.locator(f'table[data-grid="{key}"]{where} td[data-row="{row}"][data-column="{column}"]').first


def type_into(page, key, row, column, text, plane=None):
    cell(page, key, row, column, plane).dblclick()
    page.keyboard.type(text)
    page.keyboard.press("Enter")


def set_field(page, name, value):
    page.locator(f'input[data-setting="{name}"]').fill(str(value))
    page.keyboard.press("Tab")


def choose(page, name, value):
    page.locator(f'select[data-setting="{name}"]').select_option(value=value)


def assert_page(page, case, x, weight, bias, dz):
    assert_numbers(shown(page, case, x, weight, bias, dz.shape), library(case, x, weight, bias, dz))


def test_an_edited_number_changes_all_that_follows(open_page):
    x, weight = np.arange(9.0).reshape(1, 1, 3, 3), np.array([[[[1.0, 2.0], [3.0, -1.0]]]])
    bias, dz = np.array([1.0]), np.ones((1, 1, 2, 2))
    page = open_page(convolution_page(x, weight, bias))
    page.click("#tab-forward")
    type_into(page, "x", 1, 2, "-2.5")
    type_into(page, "weight", 0, 1, "0.3")
    type_into(page, "bias", 0, 0, "-4")
    x[0, 0, 1, 2], weight[0, 0, 0, 1], bias[0] = -2.5, 0.3, -4
    page.click("#tab-dk")
    type_into(page, "dz", 1, 0, "1e1")
    dz[0, 0, 1, 0] = 10
    assert_page(page, Case("conv2d", x.shape), x, weight, bias, dz)


def test_numbers_are_edited_where_they_are_dilated_rotated_or_inside_of_a_border(open_page):
    x, weight, dz = np.ones((1, 1, 4, 4)), np.arange(9.0).reshape(1, 1, 3, 3), np.ones((1, 1, 2, 2))
    page = open_page(convolution_page(x, weight, stride=2, padding=1))
    type_into(page, "x", 1, 1, "7")  # the first pixel behind the border
    page.click("#tab-dx")
    type_into(page, "weight", 0, 0, "5")  # the last entry, rotated
    type_into(page, "dz", 3, 3, "6")
    x[0, 0, 0, 0], weight[0, 0, 2, 2], dz[0, 0, 1, 1] = 7, 5, 6
    assert cell(page, "dz", 3, 3).get_attribute("data-name") == "∂L/∂z22"
    assert_page(page, Case("conv2d", x.shape, options={"stride": 2, "padding": 1}), x, weight, None, dz)


def test_what_only_repeats_a_pixel_or_is_computed_cannot_be_edited(open_page):
    page = open_page(convolution_page(np.ones((3, 3)), np.ones((2, 2)), padding=1, padding_mode="replicate"))
    for key, row, column in [("x", 0, 0), ("z", 0, 0)]:
        cell(page, key, row, column).dblclick()
        assert page.locator(".cell-input").count() == 0


def test_no_number_is_refused_and_escape_leaves_the_old_one(open_page):
    page = open_page(convolution_page([[3]], [[1]]))
    for text in ("abc", "", "1/0", "Infinity", "1e999", "--1", "0x10"):
        cell(page, "x", 0, 0).dblclick()
        page.locator(".cell-input").fill(text)
        page.keyboard.press("Enter")
        assert page.locator(".cell-input").get_attribute("aria-invalid") == "true"
        assert "is not a number" in page.locator("#spoken").text_content()
        page.keyboard.press("Escape")
        assert cell(page, "x", 0, 0).get_attribute("data-value") == "3"


def test_settings_are_recomputed(open_page):
    x = np.random.default_rng(0).integers(-4, 5, (1, 2, 6, 5)) / 2
    weight = np.random.default_rng(1).integers(-4, 5, (2, 2, 3, 3)) / 2
    bias = np.array([0.5, -1.0])
    page = open_page(convolution_page(x, weight, bias))
    set_field(page, "stride, rows", 2)
    for side, width in zip(("top", "bottom", "left", "right"), (1, 0, 2, 3), strict=True):
        set_field(page, f"padding, {side}", width)
    set_field(page, "dilation, columns", 2)
    options = {"stride": (2, 1), "padding": ((1, 0), (2, 3)), "dilation": (1, 2)}
    for mode in MODES:
        choose(page, "padding mode", mode)
        for operation in CONVOLUTIONS:
            choose(page, "operation", operation)
            case = Case(operation, x.shape, options={**options, "padding_mode": mode})
            dz = np.ones(case.run(x, weight, bias).shape)
            assert_page(page, case, x, weight, bias, dz)
    for preset in ("valid", "same", "full"):
        choose(page, "padding", preset)
        case = Case("convolve2d", x.shape, options={**options, "padding": preset, "padding_mode": mode})
        z = case.run(x, weight, bias)
        assert_page(page, case, x, weight, bias, np.ones(z.shape))
        assert page.locator("[data-size]").nth(0).text_content() == str(z.shape[2])


def test_sizes_are_changed(open_page):
    page = open_page(convolution_page([[1, 2], [3, 4]], [[1, 1]], bias=1))
    set_field(page, "input, rows", 3)
    set_field(page, "window, rows", 2)
    x, weight = np.array([[[[1.0, 2], [3, 4], [0, 0]]]]), np.array([[[[1.0, 1], [0, 0]]]])
    assert_page(page, Case("conv2d", x.shape), x, weight, np.array([1.0]), np.ones((1, 1, 2, 1)))


@pytest.mark.parametrize("groups", [1, 2])
def test_the_operation_is_changed(open_page, groups):
    """From each to each of the others: the kernel keeps its numbers in the layout that the other one takes."""
    x = np.random.default_rng(0).integers(-4, 5, (1, 4, 4, 4)).astype(float)
    weight = np.random.default_rng(1).integers(-4, 5, (6, 4 // groups, 2, 3)).astype(float)
    transposed = np.zeros((4, 6 // groups, 2, 3))
    for f in range(6):
        for c in range(4 // groups):
            transposed[f // (6 // groups) * (4 // groups) + c, f % (6 // groups)] = weight[f, c]
    page = open_page(convolution_page(x, weight, groups=groups))
    for operation in ("convolve2d", "conv_transpose2d", "conv2d", "conv_transpose2d", "convolve2d"):
        choose(page, "operation", operation)
        kernel = transposed if operation == "conv_transpose2d" else weight
        case = Case(operation, x.shape, kernel.shape, {"groups": groups})
        assert_page(page, case, x, kernel, None, np.ones(case.run(x, kernel, None).shape))
    for operation in ("max_pool2d", "avg_pool2d"):
        choose(page, "operation", operation)
        case = Case(operation, x.shape, options={"kernel_size": (2, 3), "stride": 1})
        assert_page(page, case, x, None, None, np.ones(case.run(x, None, None).shape))


def test_pooling_settings(open_page):
    x = np.random.default_rng(0).integers(0, 3, (1, 1, 5, 5)).astype(float)
    page = open_page(convolution_page(x, operation="max_pool2d", kernel_size=2, stride=2))
    choose(page, "ties", "split")
    page.get_by_label("Ceil mode").check()
    options = {"kernel_size": 2, "ceil_mode": True}
    assert_page(
        page, Case("max_pool2d", x.shape, options={**options, "ties": "split"}), x, None, None, np.ones((1, 1, 3, 3))
    )
    choose(page, "operation", "avg_pool2d")
    set_field(page, "padding, top", 1)
    page.get_by_label("Padding counts in the mean").uncheck()
    options |= {"padding": ((1, 0), (0, 0)), "count_include_pad": False}
    assert_page(page, Case("avg_pool2d", x.shape, options=options), x, None, None, np.ones((1, 1, 3, 3)))


def test_the_gallery(open_page):
    x = np.arange(49.0).reshape(1, 1, 7, 7) ** 2 % 11
    page = open_page(convolution_page(x, "identity", padding=1))
    gallery = page.locator('select[data-setting="kernel from the gallery"]')
    for name, kernel in KERNELS.items():
        choose(page, "kernel from the gallery", name)
        expected = tg.conv2d(x, kernel.array[None, None], padding=1)
        z = array(sweep(page, "forward", "z"), expected.shape)
        np.testing.assert_allclose(z, expected, rtol=1e-14, atol=1e-13)
        assert gallery.input_value() == name
    type_into(page, "weight", 0, 0, "99")
    assert gallery.input_value() == ""


def test_a_combination_that_cannot_be_is_a_sentence(open_page):
    page = open_page(convolution_page(np.ones((3, 3)), np.ones((2, 2))))
    problem = page.locator("[role=alert]")
    for name, value, back, words in [
        ("window, rows", 4, 2, "reaches over 4 rows, but the padded input has only 3"),
        ("dilation, columns", 3, 1, "reaches over 4 columns, but the padded input has only 3"),
        ("stride, rows", 0, 1, "Stride, rows must be a whole number from 1 to 32, but is 0."),
        ("stride, rows", 1.5, 1, "from 1 to 32, but is 1.5."),
        ("stride, columns", "", 1, "but is empty."),
        ("padding, left", 63, 0, "at most 64"),
    ]:
        set_field(page, name, value)
        assert words in problem.text_content()
        assert page.locator(".grid").count() == 0
        set_field(page, name, back)
        assert problem.count() == 0
        assert page.locator(".grid").count() == 3
    choose(page, "operation", "max_pool2d")
    set_field(page, "padding, top", 2)
    assert "without a pixel of X" in problem.text_content()
    choose(page, "operation", "avg_pool2d")
    assert problem.count() == 0
    choose(page, "operation", "conv_transpose2d")
    set_field(page, "padding, top", 4)
    assert "takes all 4 rows off the output" in problem.text_content()
    set_field(page, "padding, top", 0)
    set_field(page, "output padding, rows", 1)
    assert "output padding must be smaller than the stride or the dilation: at most 0" in problem.text_content()
    set_field(page, "stride, rows", 2)
    assert problem.count() == 0


def test_reset(open_page):
    page = open_page(convolution_page([[1, 2], [3, 4]], [[2]], padding=1))
    before = page.locator("#stage").inner_html()
    type_into(page, "x", 1, 1, "50")
    choose(page, "operation", "max_pool2d")
    page.get_by_role("button", name="Reset").click()
    page.mouse.move(0, 0)
    page.evaluate("document.activeElement.blur()")
    assert page.locator("#stage").inner_html() == before


# Exact numbers


def test_fractions_stay_fractions(open_page):
    """Nine ninths are 1; what a double can't hold is not rounded."""
    big = 2**60 + 1
    page = open_page(
        convolution_page([[Fraction(1, 3), big], [3, 0]], np.array([[Fraction(1, 7)]]), bias=[Fraction(1, 2)])
    )
    page.click("#tab-forward")
    go_to_end(page)
    expected = [Fraction(1, 21), Fraction(big, 7), Fraction(3, 7), Fraction(0)]
    found = page.evaluate(
        """() => [...document.querySelectorAll('table[data-grid="z"] td')].map((td) => td.dataset.value)"""
    )
    assert [Fraction(text) for text in found] == [value + Fraction(1, 2) for value in expected]
    blur = open_page(convolution_page(np.ones((3, 3), dtype=np.float32), "box_blur"))
    assert cell(blur, "z", 0, 0).get_attribute("data-value") == "1"
    type_into(blur, "x", 0, 0, "1/2")
    assert cell(blur, "z", 0, 0).get_attribute("data-value") == "17/18"
    type_into(blur, "x", 0, 1, "0.1")
    assert float(cell(blur, "z", 0, 0).get_attribute("data-value")) == pytest.approx((7.6) / 9, rel=1e-15)


def go_to_end(page):
    page.locator('[data-control="end"]').click()


# The lecture's formulas, steps and keys


def formula(page):
    return page.locator("[data-formula]").get_attribute("data-formula")


def test_the_lectures_formulas(open_page):
    """3x3 X, 2x2 K and a scalar B, as they are written out in the lecture's derivation."""
    page = open_page(convolution_page(np.arange(9).reshape(3, 3), [[1, 2], [3, 4]], bias=5))
    assert formula(page) == "z11 = X11 K11 + X12 K12 + X21 K21 + X22 K22 + B"
    page.click("#tab-dx")
    cell(page, "dx", 1, 1).click()
    assert formula(page) == "∂L/∂X22 = ∂L/∂z11 K22 + ∂L/∂z12 K21 + ∂L/∂z21 K12 + ∂L/∂z22 K11"
    cell(page, "dx", 0, 0).click()
    assert formula(page) == "∂L/∂X11 = ∂L/∂z11 K11"
    page.click("#tab-dk")
    assert formula(page) == "∂L/∂K11 = ∂L/∂z11 X11 + ∂L/∂z12 X12 + ∂L/∂z21 X21 + ∂L/∂z22 X22"
    page.click("#tab-db")
    go_to_end(page)
    cell(page, "db", 0, 0).click()
    assert formula(page) == "∂L/∂B = ∂L/∂z11 + ∂L/∂z12 + ∂L/∂z21 + ∂L/∂z22"
    page.get_by_role("button", name="Names").click()
    assert cell(page, "dz", 1, 0).text_content() == "dz21"
    page.click("#tab-forward")
    assert cell(page, "x", 2, 1).text_content() == "X32"


def test_a_borders_gradient_is_folded_back_in_steps_of_its_own(open_page):
    page = open_page(convolution_page([[1, 2], [3, 4]], [[1]], padding=1, padding_mode="replicate"))
    page.click("#tab-dx")
    # 16 windows, no pixel without a copy, 4 pixels that are folded onto.
    assert page.locator(".counter").text_content() == "1 / 20"
    assert cell(page, "padded", 0, 0).get_attribute("title") == "border: repeats X11"
    go_to_end(page)
    assert formula(page) == "∂L/∂X22 = " + " + ".join(f"∂L/∂X̂{i}" for i in (33, 34, 43, 44))
    assert [cell(page, "dx", i, j).get_attribute("data-value") for i in (0, 1) for j in (0, 1)] == ["4"] * 4


def test_padding_says_what_it_repeats(open_page):
    page = open_page(convolution_page([[1, 2], [3, 4]], np.ones((3, 3)), padding=1, padding_mode="symmetric"))
    corner = cell(page, "x", 0, 0)
    assert corner.get_attribute("title") == "padding: repeats X11"
    assert "kind-border" in corner.get_attribute("class")
    assert corner.get_attribute("aria-label") == "row 1, column 1, padding: repeats X11: 1"


def test_what_the_stride_leaves_over_is_said(open_page):
    page = open_page(convolution_page(np.ones((5, 6)), np.ones((2, 3)), stride=(2, 4)))
    assert page.locator(".faint", has_text="in no window").all_inner_texts() == [
        "The last row of the padded input is in no window: the stride leaves it over.",
        "The last 3 columns of the padded input are in no window: the stride leaves them over.",
    ]


def test_winners_are_marked(open_page):
    page = open_page(convolution_page([[5, 5], [1, 5]], operation="max_pool2d", kernel_size=2))
    winners = """() => [...document.querySelectorAll("td.winner")].map((td) => td.dataset.name)"""
    assert page.evaluate(winners) == ["X11", "X12", "X22"]
    page.click("#tab-dx")
    assert page.evaluate(winners) == ["X11"]
    choose(page, "ties", "split")
    assert page.evaluate(winners) == ["X11", "X12", "X22"]
    assert cell(page, "dx", 1, 1).get_attribute("data-value") == "1/3"


def test_keys_play_and_step(open_page):
    page = open_page(convolution_page(np.ones((3, 3)), np.ones((2, 2))))
    counter = page.locator(".counter")
    assert counter.text_content() == "1 / 4"
    for key, position in [
        ("ArrowRight", 2),
        ("ArrowLeft", 1),
        ("End", 4),
        ("ArrowRight", 4),
        ("Home", 0),
        ("ArrowLeft", 0),
    ]:
        page.keyboard.press(key)
        assert counter.text_content() == f"{position} / 4"
    assert page.locator('table[data-grid="z"] td[data-value]').count() == 0
    page.keyboard.press(" ")
    page.locator(".counter", has_text="4 / 4").wait_for()
    page.locator('[data-control="play"][aria-label="Play"]').wait_for()


def test_every_sweep_steps_to_its_end_and_back(open_page):
    """Going back undoes exactly what the step did, also where steps add to what is there."""
    for operation, options in [
        ("conv2d", {"padding": 1, "padding_mode": "circular"}), ("conv_transpose2d", {"stride": 2}),
        ("max_pool2d", {"kernel_size": 2, "stride": 1}), ("avg_pool2d", {"kernel_size": 2, "stride": 1}),
    ]:  # fmt: skip
        operands = [np.arange(9).reshape(3, 3) * 4 % 7] + (
            [np.array([[1, 2], [3, -1]]), 1] if "conv" in operation else []
        )
        page = open_page(convolution_page(*operands, operation=operation, **options))
        values = """() => [...document.querySelectorAll("td")].map((td) => td.dataset.value ?? "")"""
        for tab in page.locator("[role=tab]").all():
            tab.click()
            page.keyboard.press("Home")
            seen = [page.evaluate(values)]
            for _ in range(int(page.locator(".counter").text_content().split("/")[1])):
                page.keyboard.press("ArrowRight")
                seen.append(page.evaluate(values))
            assert page.locator('[data-control="step"]').is_disabled()
            for before in reversed(seen[:-1]):
                page.keyboard.press("ArrowLeft")
                assert page.evaluate(values) == before


def test_by_keyboard_alone(open_page):
    """From the top by Tab into a grid, along it, a number typed in, and on through the sweeps."""
    page = open_page(convolution_page([[1, 2], [3, 4]], [[2]]))
    for _ in range(60):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.tagName") == "TD":
            break
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.name") == "X22"
    assert "Takes part in 1 term" in page.locator(".explanation").text_content()
    page.keyboard.type("9")
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.dataset.name") == "X22", "the focus stays where the number was changed"
    assert cell(page, "x", 1, 1).get_attribute("data-value") == "9"
    page.keyboard.press("Escape")
    page.keyboard.press("End")
    assert cell(page, "z", 1, 1).get_attribute("data-value") == "18"
    page.locator("#tab-forward").focus()
    page.keyboard.press("ArrowRight")
    assert page.evaluate("document.activeElement.id") == "tab-dx"
    assert page.locator("#tab-dx").get_attribute("aria-selected") == "true"


def test_a_step_is_spoken(open_page):
    page = open_page(convolution_page([[1, 2, 0], [0, 1, 3], [4, 0, 1]], [[1, 0], [2, -1]], bias=1))
    page.keyboard.press("ArrowRight")
    assert page.locator("#spoken").text_content() == "Z, row 1, column 2: 2·1 + 0·0 + 1·2 + 3·(−1) + 1 = 2"


def test_pointing_at_a_cell_shows_its_terms_everywhere(open_page):
    page = open_page(convolution_page(np.arange(9).reshape(3, 3), [[1, 2], [3, 4]]))
    marked = """(name) => [...document.querySelectorAll(`td.${name}`)].map((td) => td.dataset.name)"""
    go_to_end(page)
    cell(page, "z", 0, 1).hover()
    assert page.evaluate(marked, "used") == ["X12", "X13", "X22", "X23"]
    assert page.evaluate(marked, "partner") == ["K11", "K12", "K21", "K22"]
    cell(page, "x", 0, 1).hover()
    assert page.evaluate(marked, "target") == ["z11", "z12"]
    cell(page, "z", 1, 1).click()
    page.mouse.move(0, 0)
    assert page.evaluate(marked, "used") == ["X22", "X23", "X32", "X33"], "a click keeps it"


# The page as a page


def test_names_are_text(open_page):
    title = "</script><img src=x onerror=alert(1)><b>"
    page = open_page(convolution_page([[1]], [[1]], title=title))
    assert page.locator("h1").text_content() == title
    assert page.title() == title
    choose(page, "operation", "convolve2d")
    assert page.title() == title
    unnamed = open_page(convolution_page([[1]], [[1]]))
    choose(unnamed, "operation", "convolve2d")
    assert unnamed.title() == unnamed.locator("h1").text_content() == "convolve2d"


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [400, 1400])
def test_pictures(open_page, screenshot, theme, width):
    """Nothing is wider than the window, in any sweep of any operation; the pictures are there to be looked at."""
    x, weight = np.arange(50).reshape(2, 5, 5) % 7, np.arange(36).reshape(2, 2, 3, 3) % 5 - 2
    for operation, options in [
        ("conv2d", {"padding": 1, "padding_mode": "reflect"}), ("conv_transpose2d", {"stride": 2, "padding": 1}),
        ("max_pool2d", {"kernel_size": 2}), ("avg_pool2d", {"kernel_size": 3, "stride": 1, "padding": 1}),
    ]:  # fmt: skip
        operands = (x, weight, [1, 2]) if "conv" in operation else (x,)
        page = open_page(convolution_page(*operands, operation=operation, **options), theme=theme, width=width)
        for tab in page.locator("[role=tab]").all():
            tab.click()
            page.locator('[data-control="step"]').click()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            name = tab.get_attribute("id").removeprefix("tab-")
            screenshot(page, f"convolution-{operation}-{name}-{theme}-{width}", full_page=True)


def test_it_is_a_table_for_a_screen_reader(open_page):
    page = open_page(convolution_page(np.ones((3, 2)), np.ones((2, 2))))
    grid = page.get_by_role("grid", name="X: 3 rows, 2 columns")
    assert grid.get_by_role("row").count() == 3
    assert grid.get_by_role("gridcell").count() == 6
    assert grid.get_by_role("gridcell", name="row 3, column 2: 1").count() == 1
    unnamed = """() => [...document.querySelectorAll("button, select, input")].filter((element) =>
      !(element.getAttribute("aria-label") || element.textContent.trim() || element.closest("label"))).length"""
    assert page.evaluate(unnamed) == 0


def test_a_large_image_is_answered_at_once(open_page):
    """A step over 32 x 32 pixels: the bound leaves room for a busy machine."""
    page = open_page(convolution_page(np.arange(1024).reshape(32, 32) % 255, "gaussian_blur", padding="same"))
    milliseconds = page.evaluate("""() => {
      const step = document.querySelector('[data-control="step"]');
      const start = performance.now();
      for (let i = 0; i < 20; i++) step.click();
      return (performance.now() - start) / 20;
    }""")
    assert milliseconds < 500
