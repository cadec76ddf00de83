"""Layouts for pages: nothing overlaps, edges reach what they join, and Graphviz is never needed."""

import random
from itertools import pairwise

import pytest

from tinygrad_cnn.viz.drawing import layered, layout
from tinygrad_cnn.viz.drawing.layout import Frame, Plan, layouts

WAYS = ("dot", "pygraphviz", "")


@pytest.fixture(params=WAYS, ids=["dot", "pygraphviz", "own"])
def way(request, monkeypatch):
    """Each way to make a layout, with the ways before it hidden."""
    if request.param == "dot" and layout.which("dot") is None:
        pytest.skip("needs dot")
    if request.param == "pygraphviz":
        pytest.importorskip("pygraphviz")
    hide(monkeypatch, WAYS[: WAYS.index(request.param)])
    return request.param


def hide(monkeypatch, ways):
    if "dot" in ways:
        monkeypatch.setattr(layout, "which", lambda name: None)
    if "pygraphviz" in ways:
        monkeypatch.setattr(layout, "find_spec", lambda name: None)


def chain(n):
    ids = [f"n{i}" for i in range(n)]
    return Plan(dict.fromkeys(ids, (50, 20)), list(pairwise(ids)))


def diamond():
    sizes = {"x": (60, 30), "wide": (200, 20), "tall": (20, 120), "z": (40, 20)}
    edges = [("x", "wide"), ("x", "tall"), ("wide", "z"), ("tall", "z"), ("x", "z")]
    return Plan(sizes, edges, ordered=frozenset({"z"}))


def module():
    sizes = {"weight": (80, 30), "bias": (60, 30), "conv2d": (100, 40), "result": (90, 20)}
    edges = [("in", "conv2d"), ("weight", "conv2d"), ("bias", "conv2d"), ("conv2d", "result"), ("result", "out")]
    return Plan(sizes, edges, frozenset({"conv2d"}), ("in",), ("out",), Frame(12, 30, 14, 16, 150, 60))


def circle():
    return Plan(dict.fromkeys("abcd", (40, 20)), [("a", "b"), ("b", "c"), ("c", "a"), ("c", "d"), ("d", "b")])


def random_plan(seed):
    pick = random.Random(seed)
    n = pick.randint(2, 40)
    ids = [str(i) for i in range(n)]
    sizes = {id: (pick.randint(10, 150), pick.randint(10, 80)) for id in ids}
    pairs = {tuple(sorted(pick.sample(range(n), 2))) for _ in range(2 * n)}
    edges = [(str(a), str(b)) for a, b in sorted(pairs)]
    entries = tuple(f"in{i}" for i in range(pick.randint(0, 3)))
    exits = tuple(f"out{i}" for i in range(pick.randint(0, 2)))
    edges += [(port, pick.choice(ids)) for port in entries] + [(pick.choice(ids), port) for port in exits]
    return Plan(sizes, edges, frozenset(pick.sample(ids, n // 2)), entries, exits, Frame(10, 25, 10, 12))


def unconnected():
    return Plan({"a": (10, 10), "b": (90, 50), "c": (20, 20)}, [])


PLANS = [chain(1), chain(2), chain(30), diamond(), module(), circle(), unconnected(), *map(random_plan, range(12))]


def box(plan, found, id):
    (x, y), (width, height) = found.centers[id], plan.sizes[id]
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2


def check_nothing_overlaps(plan, found):
    boxes = [box(plan, found, id) for id in plan.sizes]
    for i, (left, top, right, bottom) in enumerate(boxes):
        for other_left, other_top, other_right, other_bottom in boxes[:i]:
            is_beside = right <= other_left + 0.1 or other_right <= left + 0.1
            assert is_beside or bottom <= other_top + 0.1 or other_bottom <= top + 0.1


def check_frame(plan, found):
    frame = plan.frame
    for id in plan.sizes:
        left, top, right, bottom = box(plan, found, id)
        assert left >= frame.left - 0.1
        assert top >= frame.top - 0.1
        assert right <= found.width - frame.right + 0.1
        assert bottom <= found.height - frame.bottom + 0.1
    assert found.width >= frame.least_width
    assert found.height >= frame.least_height


def check_edges(plan, found, direction):
    """Each begins on the side of its source and ends on the side of its target, and ports lie on the border."""
    main = direction == "TB"
    assert set(found.curves) == set(plan.edges)
    for (source, target), points in found.curves.items():
        assert len(points) % 3 == 1
        assert len(points) >= 4
        for id, point, side in ((source, points[0], 1), (target, points[-1], -1)):
            x, y = found.centers[id]
            if id in plan.sizes:
                left, top, right, bottom = box(plan, found, id)
                assert left - 0.1 <= point[0] <= right + 0.1
                assert top - 0.1 <= point[1] <= bottom + 0.1
                expected = (bottom if side > 0 else top) if main else (right if side > 0 else left)
                assert point[main] == pytest.approx(expected)
            else:
                assert point == (x, y)
    for port in plan.entries:
        assert found.centers[port][main] == 0
    for port in plan.exits:
        assert found.centers[port][main] == pytest.approx(found.height if main else found.width)


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_every_layout_is_well_formed(way, direction):
    found, by = layouts(PLANS, direction)
    assert by == way
    assert len(found) == len(PLANS)
    for plan, each in zip(PLANS, found, strict=True):
        assert set(each.centers) == {*plan.sizes, *plan.entries, *plan.exits}
        check_nothing_overlaps(plan, each)
        check_frame(plan, each)
        check_edges(plan, each, direction)


@pytest.mark.parametrize("direction", ["TB", "LR"])
def test_edges_run_forward(way, direction):
    (found,), _ = layouts([diamond()], direction)
    main = direction == "TB"
    for points in found.curves.values():
        along = [point[main] for point in points]
        assert min(along) == along[0]
        assert max(along) == along[-1]


def test_operands_enter_side_by_side(way):
    """Each at a place of its own, in the order in which they lie above, so that their edges don't cross there."""
    plan = module()
    (found,), _ = layouts([plan])
    places = {source: found.curves[source, "conv2d"][-1][0] for source in ("in", "weight", "bias")}
    middle = found.centers["conv2d"][0]
    assert sorted(place - middle for place in places.values()) == pytest.approx([-100 / 3, 0, 100 / 3], abs=1.5)
    if way:
        assert places["in"] < places["weight"] < places["bias"]


def test_single_operand_enters_in_the_middle(way):
    plan = Plan({"x": (200, 20), "exp": (60, 20)}, [("x", "exp")], frozenset({"exp"}))
    (found,), _ = layouts([plan])
    assert found.curves["x", "exp"][-1][0] == pytest.approx(found.centers["exp"][0], abs=0.1)


def test_same_layout_in_every_run(way):
    assert layouts(PLANS[:8]) == layouts(PLANS[:8])


def test_empty_graph(way):
    (found,), _ = layouts([Plan({}, [], frame=Frame(1, 2, 3, 4))])
    assert (found.width, found.height, found.centers, found.curves) == (4, 6, {}, {})


def test_ids_of_any_kind(way):
    ids = ['"quoted"', "with space", "stop", "a\nb", "<b>", "∂L", "node"]
    plan = Plan(dict.fromkeys(ids, (30, 20)), list(pairwise(ids)))
    (found,), _ = layouts([plan])
    assert set(found.centers) == set(ids)


def test_unknown_direction():
    with pytest.raises(ValueError, match="direction must be one of TB, LR but is 'up'"):
        layouts([], "up")


def test_without_plans():
    assert layouts([])[0] == []


@pytest.mark.parametrize("output", ["", "graph 1 1 1\nstop\n", "nonsense"])
def test_graphviz_that_fails_is_not_needed(monkeypatch, output):
    hide(monkeypatch, ["pygraphviz"])
    monkeypatch.setattr(layout, "which", lambda name: "/usr/bin/dot")
    monkeypatch.setattr(layout, "_run", lambda *_: output)
    (found,), by = layouts([chain(3)])
    assert by == ""
    check_nothing_overlaps(chain(3), found)


def test_graphviz_that_hangs_or_is_no_program(monkeypatch, tmp_path):
    hide(monkeypatch, ["pygraphviz"])
    program = tmp_path / "dot"
    program.write_text("#!/bin/sh\nsleep 60\n")
    monkeypatch.setattr(layout, "which", lambda name: str(program))
    assert layouts([chain(2)])[1] == ""  # it may not be executed
    program.chmod(0o755)
    monkeypatch.setattr(layout, "TIME_LIMIT", 0.2)
    assert layouts([chain(2)])[1] == ""


def crossings(found):
    """How many pairs of straight edges between two ranks cross."""
    ends = [(points[0], points[-1]) for points in found.values()]
    return sum(
        (a[0][0] - b[0][0]) * (a[1][0] - b[1][0]) < 0 and a[0][1] == b[0][1]
        for i, a in enumerate(ends)
        for b in ends[:i]
    )


def test_own_layout_untangles():
    """Four pairs in the opposite order: nothing needs to cross."""
    sizes = dict.fromkeys("abcdwxyz", (20, 10))
    _, curves = layered.layout(sizes, [("a", "z"), ("b", "y"), ("c", "x"), ("d", "w")])
    assert crossings(curves) == 0


def test_own_layout_keeps_edges_off_boxes():
    """The edge past a chain bends around each of its boxes."""
    ids = [f"n{i}" for i in range(6)]
    sizes = dict.fromkeys(ids, (80, 30))
    centers, curves = layered.layout(sizes, [*pairwise(ids), ("n0", "n5")])
    points = curves["n0", "n5"]
    for id in ids[1:-1]:
        x, y = centers[id]
        inside = [p for p in points if abs(p[1] - y) <= 15]
        assert inside, "the edge has a stop beside every box"
        assert all(abs(p[0] - x) > 40 for p in inside)


def test_own_layout_of_a_long_chain():
    n = 20_000
    ids = [str(i) for i in range(n)]
    centers, curves = layered.layout(dict.fromkeys(ids, (10, 10)), list(pairwise(ids)))
    assert len({y for _, y in centers.values()}) == n
    assert len({round(x, 6) for x, _ in centers.values()}) == 1, "straight"
    assert len(curves) == n - 1
