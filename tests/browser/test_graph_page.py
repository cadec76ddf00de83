"""The page of a graph in a real browser: folding, searching, stepping, by mouse and by keys; every number compared."""

import numpy as np
import pytest

import tinygrad_cnn as tg
from tests.viz.networks import LeNet, ResNet
from tinygrad_cnn.viz.pages.graph import page
from tinygrad_cnn.walk import contributions, nodes


def parameter(data, name=None):
    return tg.tensor(data, requires_grad=True, name=name)


def micrograd():
    """The expression of Karpathy's micrograd, shortened; every tensor has a name."""
    a, b = parameter(-4.0, "a"), parameter(2.0 / 3, "b")
    c = a + b
    d = a * b + b**3
    e = c - d
    f = e**2
    g = f / 2.0 + (c * d).tanh()
    c.name, d.name, e.name, f.name, g.name = "c", "d", "e", "f", "g"
    g.backward()
    return g


def first_example():
    image = [[[[1.0, 2.0, 0.0], [0.0, 1.0, 3.0], [2.0, 1.0, 1.0]]]]
    x = parameter(image, "X")
    k = parameter([[[[1.0, -1.0], [0.0, 2.0]]]], "K")
    b = parameter([0.5], "B")
    z = tg.conv2d(x, k, b).retain_grad()
    loss = tg.max_pool2d(tg.relu(z), 2).sum()
    z.name, loss.name = "Z", "loss"
    loss.backward()
    return loss


@pytest.fixture(scope="module")
def lenet():
    tg.manual_seed(0)
    model = LeNet()
    digit = tg.tensor(np.random.default_rng(0).random((1, 1, 32, 32), np.float32), name="digit")
    with tg.debug():
        loss = tg.cross_entropy(model(digit), [3])
        loss.name = "loss"
        loss.backward()
    return model, loss


@pytest.fixture(scope="module")
def resnet():
    tg.manual_seed(0)
    model = ResNet((1, 2, 1, 1))
    loss = model(tg.tensor(np.random.default_rng(0).random((2, 3, 32, 32), np.float32), name="image")).sum()
    loss.name = "loss"
    loss.backward()
    return model, loss


def made(y):
    return page(y, None)


def settle(opened):
    """Wait until nothing moves."""
    opened.wait_for_timeout(650)


def boxes(opened):
    """What is seen: for each item its bounds on the screen; an open container by its frame."""
    return {
        int(item): bounds
        for item, *bounds in opened.evaluate(
            """() => [...document.querySelectorAll(".box, .frame")].flatMap((box) => {
              if (box.style.display === "none") return [];
              const shape = box.querySelector("rect:not(.behind, .around), circle");
              const {left, top, right, bottom} = shape.getBoundingClientRect();
              return [[box.dataset.item, left, top, right, bottom]]; })"""
        )
    }


def parents(opened):
    data = opened.evaluate("JSON.parse(document.getElementById('data').textContent)")
    return {i: each["in"] for i, each in enumerate(data["nodes"] + data["containers"])}


def check_picture(opened):
    """Boxes lie in the frames of their containers, and apart from that no two meet."""
    found, parent = boxes(opened), parents(opened)

    def around(item):
        while item != -1:
            item = parent[item]
            yield item

    for item, (left, top, right, bottom) in found.items():
        if parent[item] != -1:
            frame = found[parent[item]]
            assert frame[0] <= left + 0.5
            assert frame[1] <= top + 0.5
            assert right <= frame[2] + 0.5
            assert bottom <= frame[3] + 0.5
        for other, (other_left, other_top, other_right, other_bottom) in found.items():
            if other < item and other not in around(item) and item not in around(other):
                is_beside = right <= other_left + 0.5 or other_right <= left + 0.5
                assert is_beside or bottom <= other_top + 0.5 or other_bottom <= top + 0.5, (item, other)
    return found


def check_lines(opened):
    """Every line begins and ends at the border of what it joins."""
    found = boxes(opened)
    lines = opened.evaluate(
        """() => [...document.querySelectorAll(".curve")].filter((p) => p.style.display !== "none").map((path) => {
          const matrix = path.getScreenCTM(), at = (length) => {
            const {x, y} = path.getPointAtLength(length).matrixTransform(matrix); return [x, y]; };
          return [path.dataset.edge, at(0), at(path.getTotalLength())]; })"""
    )
    assert lines
    for key, *ends in lines:
        for item, (x, y) in zip(map(int, key.split(">")[:2]), ends, strict=True):
            left, top, right, bottom = found[item]
            assert left - 1 <= x <= right + 1, key
            assert min(abs(y - top), abs(y - bottom)) <= 4, key  # a round border begins a little lower


def container(opened, title):
    """The item of the container with this title, folded or open."""
    data = opened.evaluate("JSON.parse(document.getElementById('data').textContent)")
    (found,) = [i for i, each in enumerate(data["containers"]) if title in (each["name"], each["title"])]
    return len(data["nodes"]) + found


def element(opened, item):
    """The box or the heading that stands for an item."""
    return opened.locator(f'.box[data-item="{item}"], .heading[data-item="{item}"]').locator("visible=true")


# --- the picture ---


@pytest.mark.parametrize("make", [micrograd, first_example])
def test_small_graph(open_page, screenshot, make):
    opened = open_page(made(make()), width=1400, height=900)
    check_picture(opened)
    check_lines(opened)
    screenshot(opened, f"graph-{make.__name__}-light")


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [1400, 420])
def test_networks_in_every_width_and_theme(open_page, screenshot, lenet, resnet, theme, width):
    for name, (_, loss) in (("lenet", lenet), ("resnet", resnet)):
        opened = open_page(made(loss), theme=theme, width=width, height=900)
        check_picture(opened)
        opened.locator(".box").first.click()
        settle(opened)
        screenshot(opened, f"graph-{name}-{theme}-{width}")
        assert opened.evaluate("document.documentElement.scrollWidth") <= width


def test_every_depth(open_page, resnet):
    opened = open_page(made(resnet[1]), reduced_motion=True)
    depths = opened.locator("#depth option").count()
    counts = []
    for depth in range(depths):
        opened.select_option("#depth", str(depth))
        counts.append(len(check_picture(opened)))
        check_lines(opened)
    assert counts == sorted(set(counts))
    assert counts[-1] == len(parents(opened))


def test_fold_and_unfold_by_mouse(open_page, lenet, screenshot):
    opened = open_page(made(lenet[1]))
    conv1 = container(opened, "conv1")
    before = boxes(opened)
    element(opened, conv1).click()
    settle(opened)
    folded = check_picture(opened)
    check_lines(opened)
    assert len(folded) == len(before) - 4, "weight, bias, operation and result"
    assert element(opened, conv1).get_attribute("aria-expanded") == "false"
    screenshot(opened, "graph-lenet-folded")
    element(opened, conv1).click()
    settle(opened)
    assert set(check_picture(opened)) == set(before)
    assert opened.locator("#depth").input_value() == "2"


def test_any_modules_open_at_once(open_page, resnet):
    """Beginning with everything folded, in an order of its own."""
    opened = open_page(made(resnet[1]), reduced_motion=True)
    opened.select_option("#depth", "0")
    for title in ("ResNet", "stages.2", "bn1", "stages.0"):
        data = opened.evaluate("JSON.parse(document.getElementById('data').textContent)")
        for i, each in enumerate(data["containers"]):
            if title in (each["name"], each["title"]) and each["level"] <= 1:
                element(opened, len(data["nodes"]) + i).dispatch_event("click")
                check_picture(opened)
                check_lines(opened)
                break
    assert opened.locator("#depth").input_value() == "-1"


def test_nothing_meets_on_the_way(open_page, lenet):
    """In the middle of the movement too."""
    opened = open_page(made(lenet[1]))
    opened.keyboard.press("[")
    seen = set()
    for _ in range(8):
        seen.add(tuple(map(tuple, boxes(opened).values())))
        check_picture(opened)
    settle(opened)
    assert len(seen) > 1, "it moved"


def test_keyboard_alone(open_page, lenet, screenshot):
    """From the start of the page into the picture, along the edges, and a module folded and unfolded again."""
    opened = open_page(made(lenet[1]))
    press = opened.keyboard.press
    for _ in range(12):
        press("Tab")
        if opened.evaluate("document.activeElement.closest('#stage [data-item]') !== null"):
            break

    def focused():
        return opened.evaluate("Number(document.activeElement.closest('[data-item]')?.dataset.item ?? -1)")

    assert focused() >= 0
    press("n")
    first = focused()
    press("n")
    assert focused() != first
    press("Shift+N")
    assert focused() == first
    lenet_item, conv2 = container(opened, "LeNet"), container(opened, "conv2")
    press("/")
    opened.keyboard.type("conv2")
    while str(conv2) != opened.locator(".about").get_attribute("data-about"):
        press("Enter")
    opened.evaluate("document.activeElement.blur()")
    element(opened, conv2).focus()
    assert opened.locator(".about h2").text_content() == "conv2"
    press("Enter")
    settle(opened)
    assert focused() == conv2, "the focus stays with it"
    assert element(opened, conv2).get_attribute("aria-expanded") == "false"
    press("ArrowDown")
    below = focused()
    assert below not in (conv2, lenet_item)
    press("ArrowUp")
    assert focused() == conv2
    press("Enter")
    settle(opened)
    assert element(opened, conv2).get_attribute("aria-expanded") == "true"
    screenshot(opened, "graph-keyboard")
    press("?")
    assert opened.locator("#help").is_visible()
    screenshot(opened, "graph-help")
    press("Escape")
    assert not opened.locator("#help").is_visible()
    assert opened.locator('#stage [tabindex="0"]').count() == 1, "one box is in the order of tabs"


def test_pan_and_zoom(open_page):
    opened = open_page(made(micrograd()), reduced_motion=True)
    place = lambda: next(iter(boxes(opened).values()))  # noqa: E731
    stage = opened.locator("#stage").bounding_box()
    middle = stage["x"] + 30, stage["y"] + stage["height"] / 2
    before = place()
    opened.mouse.move(*middle)
    opened.mouse.down()
    opened.mouse.move(middle[0] + 50, middle[1] + 20, steps=4)
    opened.mouse.up()
    after = place()
    assert after[0] - before[0] == pytest.approx(50, abs=1)
    assert after[1] - before[1] == pytest.approx(20, abs=1)
    opened.locator("#stage").focus()
    opened.keyboard.press("ArrowLeft")
    assert place()[0] > after[0]
    opened.keyboard.press("0")
    assert place() == pytest.approx(before, abs=1)
    wide = before[2] - before[0]
    opened.mouse.wheel(0, -200)
    opened.keyboard.press("+")
    assert place()[2] - place()[0] > 1.5 * wide
    opened.get_by_role("button", name="Fit").click()
    assert place() == pytest.approx(before, abs=1)


def test_search_goes_into_folded_modules(open_page, lenet):
    opened = open_page(made(lenet[1]))
    opened.select_option("#depth", "0")
    settle(opened)
    opened.keyboard.press("/")
    opened.keyboard.type("fc2.weight")
    assert opened.locator("#hits").text_content() == "1 hit"
    opened.keyboard.press("Enter")
    settle(opened)
    assert opened.locator(".about h2").text_content() == "fc2.weight"
    assert opened.locator(".box.selected text.name").text_content() == "fc2.weight"
    search = opened.locator("#search")
    search.fill("(1, 16, 5, 5)")
    count = int(opened.locator("#hits").text_content().split()[0])
    assert count >= 1
    for i in range(count + 1):
        search.press("Enter")
        assert opened.locator("#hits").text_content() == f"{i % count + 1} of {count}"
        assert "(1, 16, 5, 5)" in opened.locator(".about").text_content()
    search.fill("nothing like it")
    assert opened.locator("#hits").text_content() == "0 hits"


# --- numbers ---


def shown(locator):
    """The exact numbers in an element, in reading order."""
    return [float(text) for text in locator.locator(".number").evaluate_all("all => all.map((x) => x.dataset.value)")]


def table(opened):
    """For each row of the table of items its name."""
    return opened.evaluate("JSON.parse(document.getElementById('data').textContent).nodes.map((node) => node.id)")


def test_details_are_the_librarys(open_page):
    loss = first_example()
    opened = open_page(made(loss), reduced_motion=True)
    ids = table(opened)
    for i, node in enumerate(nodes(loss)):
        item = ids.index(f"t{i}")
        opened.locator(f'.box[data-item="{item}"]').click()
        assert shown(opened.locator('[data-array="value"] [data-part="grid"]')) == np.ravel(node.value).tolist()
        assert shown(opened.locator('[data-array="gradient"] [data-part="grid"]')) == np.ravel(node.gradient).tolist()


@pytest.mark.parametrize("make", [micrograd, first_example])
def test_every_step_forward_and_back(open_page, screenshot, make):
    """To the end and back again. Values, gradients, and what flows on each edge are the library's."""
    loss = make()
    opened = open_page(made(loss), reduced_motion=True)
    ids = table(opened)
    recorded = list(nodes(loss))
    item_of = {node: ids.index(f"t{i}") for i, node in enumerate(recorded)}
    operations = [node for node in recorded if node.primitive is not None]
    press = opened.keyboard.press

    def texts(node, style):
        return opened.locator(f'.box[data-item="{item_of[node]}"] text.{style}').all_text_contents()

    final = {node: texts(node, "gradient") for node in recorded}
    press("Home")
    assert opened.locator("#caption").text_content() == "Before the first step"
    for position, node in enumerate(operations, 1):
        press(".")
        assert opened.locator("#caption").get_attribute("data-position") == str(position)
        assert opened.locator(".box.now").get_attribute("data-item") == str(item_of[node] - 1)
        pending = opened.locator(".box.pending[class*=result]").count()
        assert pending == len(operations) - position
        operands = [shown(row) for row in opened.locator(".forward .operands > div").all()]
        if all(not parent.shape for parent in (*node.parents, node)):
            assert operands == [[float(each.value)] for each in (*node.parents, node)]
        if position == 3:
            screenshot(opened, f"graph-step-forward-{make.__name__}")
    sums = {}
    for node in reversed(operations):
        if node is not loss.node:
            assert texts(node, "gradient") == final[node], "all of it has arrived before it goes on"
        press(".")
        assert opened.locator(".box.now").get_attribute("data-item") == str(item_of[node] - 1)
        arrives = opened.locator('.backward > [data-array="arrives"] [data-part="grid"]')
        assert shown(arrives) == np.ravel(node.gradient).tolist()
        sent = contributions(node)
        rows = opened.locator(".sent").all()
        expected = [k for k, each in enumerate(sent) if each is not None]
        assert [int(row.get_attribute("data-operand")) for row in rows] == expected
        for row, k in zip(rows, expected, strict=True):
            parent = node.parents[k]
            grid = "" if np.ndim(sent[k]) == 0 else '[data-part="grid"]'
            assert row.get_attribute("data-to") == str(item_of[parent])
            assert shown(row.locator(f'> [data-array="sent"] {grid}')) == np.ravel(sent[k]).tolist()
            before = sums.get(parent)
            sums[parent] = sent[k] if before is None else before + sent[k]
            if before is not None:
                assert shown(row.locator(f'[data-array="sum"] {grid}')) == np.ravel(sums[parent]).tolist()
            if np.ndim(sent[k]) == 0:
                assert texts(parent, "gradient") == [row.locator(".formula").last.text_content().split(" = ")[-1]]
        on_edges = {}
        for pill in opened.locator(".pill").all():
            operands, values = (pill.get_attribute(f"data-{name}").split(" ") for name in ("operands", "values"))
            on_edges.update(zip(map(int, operands), values, strict=True))
        assert set(on_edges) == set(expected)
        for k, text in on_edges.items():
            assert text == (repr(float(np.ravel(sent[k])[0])) if np.size(sent[k]) == 1 else "")
        if node is operations[len(operations) // 2]:
            screenshot(opened, f"graph-step-backward-{make.__name__}")
    for node, total in sums.items():
        assert np.array_equal(total, node.gradient)
        assert texts(node, "gradient") == final[node]
    press(".")
    assert opened.locator("#caption").get_attribute("data-position") == str(2 * len(operations))
    for _ in range(2 * len(operations)):
        press(",")
    assert opened.locator("#caption").text_content() == "Before the first step"
    assert all(set(texts(node, "gradient")) <= {"–"} for node in recorded)


def test_sum_is_told(open_page):
    a = parameter(3.0, "a")
    y = a * a
    y.name = "y"
    y.backward()
    opened = open_page(made(y), reduced_motion=True)
    opened.keyboard.press("End")
    rule = "da = dy · a = 1 · 3 = 3"
    assert opened.locator(".sent .worked").all_text_contents() == [rule, rule, "da = 3 + 3 = 6"]
    assert opened.locator(".pill text").text_content() == "da 3 and da 3"


def test_step_in_a_folded_module_lights_it(open_page, lenet):
    opened = open_page(made(lenet[1]), reduced_motion=True)
    opened.select_option("#depth", "1")
    opened.keyboard.press("Home")
    opened.keyboard.press(".")
    assert opened.locator(".box.now text.name").text_content() == "conv1"
    opened.keyboard.press("End")
    opened.locator("#slider").evaluate("(slider) => { slider.value = 1; slider.dispatchEvent(new Event('input')); }")
    assert opened.locator("#caption").text_content().startswith("Forward 1 of")


def test_play_and_pause(open_page):
    opened = open_page(made(micrograd()))
    opened.get_by_label("Speed").select_option("very fast")
    opened.evaluate("document.activeElement.blur()")
    opened.keyboard.press("Space")

    def position():
        return int(opened.locator("#caption").get_attribute("data-position"))

    while position() < 3:
        opened.wait_for_timeout(20)
    opened.keyboard.press("Space")
    paused = position()
    assert paused < 20
    opened.wait_for_timeout(300)
    assert position() == paused
    opened.keyboard.press("Space")
    opened.locator('#caption[data-position="20"]').wait_for()
    opened.get_by_role("button", name="Play").wait_for()  # it stops at the end


def test_without_a_backward_walk_the_page_says_how(open_page):
    opened = open_page(made(tg.exp(parameter(1.0, "x"))))
    assert "backward()" in opened.locator("#caption").text_content()
    opened.locator(".box").first.click()
    missing = opened.locator('[data-array="gradient"]')
    assert missing.get_attribute("data-missing") == "not computed"
    assert "backward()" in opened.locator(".about").text_content()


def test_table_says_the_same(open_page, lenet, screenshot):
    opened = open_page(made(lenet[1]), width=1400)
    opened.keyboard.press("t")
    rows = opened.locator("#table tbody tr")
    assert rows.count() == len(table(opened))
    last = rows.last
    assert shown(last) == [lenet[1].item(), 1.0]
    screenshot(opened, "graph-table")
    last.get_by_role("button").click()
    assert opened.locator("#stage").is_visible()
    assert opened.locator(".about h2").text_content() == "loss"


# --- robustness ---


def test_hostile_names(open_page):
    name = '"><script>window.stolen = 1</script><img src=x onerror="window.stolen = 1">'
    x = parameter(1.0, name)
    y = tg.exp(x)
    y.name = name
    y.backward()
    opened = open_page(page(y, None, title=name))
    opened.locator(".box").first.click()
    assert opened.locator(".about h2").text_content() == name
    opened.keyboard.press("t")
    opened.keyboard.press("t")
    opened.keyboard.press("Home")
    opened.keyboard.press("End")
    opened.keyboard.press("/")
    opened.keyboard.type("script")
    opened.keyboard.press("Enter")
    assert opened.evaluate("window.stolen ?? null") is None
    assert opened.locator("img").count() == 0
    assert opened.locator("script").count() == 2


def test_screen_reader_hears_the_boxes(open_page, lenet):
    opened = open_page(made(lenet[1]))
    labels = opened.locator(".box").evaluate_all("all => all.map((box) => box.getAttribute('aria-label'))")
    assert "conv1.weight, leaf, shape (6, 1, 5, 5), gradient computed" in labels
    assert any(label.startswith("conv2d, result (1, 6, 28, 28)") for label in labels)
    opened.keyboard.press("Home")
    opened.keyboard.press(".")
    assert opened.locator("#spoken").text_content().startswith("Forward 1 of")
    unnamed = opened.evaluate(
        """() => [...document.querySelectorAll("button, input, select")]
          .filter((each) => !(each.textContent || each.ariaLabel || each.labels?.length)).map((x) => x.outerHTML)"""
    )
    assert unnamed == []


def test_print_shows_the_picture_alone(open_page, screenshot):
    opened = open_page(made(micrograd()), theme="dark")
    opened.emulate_media(media="print")
    assert opened.locator("#picture").is_visible()
    for hidden in ("#details", "#steps", "#zoom", "#search"):
        assert not opened.locator(hidden).is_visible()
    screenshot(opened, "graph-print")


def test_no_text_leaves_its_box(open_page, lenet, resnet):
    for loss in (micrograd(), first_example(), lenet[1], resnet[1]):
        opened = open_page(made(loss))
        outside = opened.evaluate(
            """() => [...document.querySelectorAll(".box")].filter((b) => b.style.display !== "none").flatMap((box) => {
              const outer = box.querySelector("rect:not(.behind, .around), circle").getBoundingClientRect();
              return [...box.querySelectorAll("text")].filter((text) => {
                const inner = text.getBoundingClientRect();
                return inner.left < outer.left - 1 || inner.right > outer.right + 1;
              }).map((text) => text.textContent); })"""
        )
        assert outside == []


def test_two_thousand_boxes_stay_responsive(open_page, record_property):
    x = parameter(0.5, "x")
    y = x
    for i in range(800):
        y = y * 1.01 if i % 2 else tg.tanh(y)
    y.backward()
    opened = open_page(made(y), reduced_motion=True)
    opened.select_option("#depth", "1")
    assert len(boxes(opened)) > 2000

    def seconds(action):
        """Until the next picture is painted."""
        return opened.evaluate(
            f"""() => new Promise((done) => {{
              const start = performance.now();
              {action};
              requestAnimationFrame(() => setTimeout(() => done((performance.now() - start) / 1000))); }})"""
        )

    click = "document.querySelector('{}').dispatchEvent(new MouseEvent('click', {{bubbles: true}}))"
    press = "document.body.dispatchEvent(new KeyboardEvent('keydown', {{key: '{}', bubbles: true}}))"
    times = {
        "fold": seconds(click.format(".heading")),
        "unfold": seconds(click.format(".box.container")),
        "step": seconds(press.format(".")),
        "step back": seconds(press.format(",")),
    }
    for name, time in times.items():
        record_property(f"{name} among 2,400 boxes, in seconds", time)
        print(f"{name} among {len(boxes(opened))} boxes: {time:.2f} s")
        assert time < 1, name
