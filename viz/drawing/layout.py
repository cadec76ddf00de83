"""Where boxes stand and how edges run: by Graphviz in one process for all layouts, else by `layered`.

An interactive page needs many small layouts, one for the inside of every module. What enters or leaves a module does so
through ports on the border of its frame, so that the inside fits together with what is around it.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from shutil import which

from tinygrad_cnn.viz.drawing import layered
from tinygrad_cnn.viz.drawing.rendering import UnavailableError

Point = tuple[float, float]

DIRECTIONS = ("TB", "LR")

NODE_GAP, RANK_GAP = 22.0, 34.0
"""Between neighbours in one rank, and between one rank and the next; in points."""

TIME_LIMIT = 20.0
"""Seconds; a layout that takes Graphviz longer is made without it."""

_POINTS = 72  # in an inch, which is what Graphviz counts in

# A process of its own, as for pictures. It reads and writes the texts of all graphs as JSON.
_PYGRAPHVIZ = """
import json, sys
import pygraphviz
for source in json.load(sys.stdin):
    sys.stdout.write(pygraphviz.AGraph(string=source).draw(format="plain", prog="dot").decode())
"""


@dataclass(frozen=True, slots=True)
class Frame:
    """What lies between the border of a layout and what is in it, in points, and how small it may be."""

    left: float = 0
    top: float = 0
    right: float = 0
    bottom: float = 0
    least_width: float = 0
    least_height: float = 0


@dataclass(frozen=True, slots=True)
class Plan:
    """What is to be laid out.

    Attributes:
        sizes: width and height of each box in points, by its id.
        edges: the ids of the boxes or ports that each edge leaves and enters, every pair once.
        ordered: boxes that edges enter side by side, in the order in which they stand in `edges`.
        entries: ports on the border where edges come in from outside.
        exits: ports where they go out.
        frame: the space around.
    """

    sizes: Mapping[str, tuple[float, float]]
    edges: Sequence[tuple[str, str]]
    ordered: frozenset[str] = frozenset()
    entries: tuple[str, ...] = ()
    exits: tuple[str, ...] = ()
    frame: Frame = field(default_factory=Frame)


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything stands, in points to the right of and below the upper left corner.

    Attributes:
        width, height: of the whole, its frame included.
        centers: of the boxes by their ids, and the places of the ports.
        curves: for each edge the control points of its Bezier curves, 3 n + 1 of them. They begin and end on the
            sides of the boxes that the direction says, in the middle, or for an ordered box spread over its side.
    """

    width: float
    height: float
    centers: dict[str, Point]
    curves: dict[tuple[str, str], tuple[Point, ...]]


def layouts(plans: Sequence[Plan], direction: str = "TB") -> tuple[list[Layout], str]:
    """Lay out several graphs at once.

    Args:
        plans: the graphs.
        direction: "TB" for edges that run down, "LR" for edges that run to the right.

    Returns:
        A layout for each graph, the same in every run, and what made them: "dot", "pygraphviz", or "" where neither is
        there (or failed, or took longer than `TIME_LIMIT`) and the library made them itself.

    Raises:
        ValueError: another direction.

    >>> plan = Plan({"a": (40, 20), "b": (60, 20)}, [("a", "b")])
    >>> (layout,), by = layouts([plan])
    >>> layout.centers["a"][1] < layout.centers["b"][1], len(layout.curves["a", "b"]) % 3
    (True, 1)
    """
    if direction not in DIRECTIONS:
        raise ValueError(f"layouts: direction must be one of {', '.join(DIRECTIONS)} but is {direction!r}")
    for by, attempt in (("dot", _by_dot), ("pygraphviz", _by_pygraphviz)):
        try:
            placed = list(_read(attempt([_source(plan, direction) for plan in plans]), plans))
        except UnavailableError:
            continue
        return [_framed(plan, *each, direction) for plan, each in zip(plans, placed, strict=True)], by
    return [_framed(plan, *_by_hand(plan, direction), direction) for plan in plans], ""


def _source(plan: Plan, direction: str) -> str:
    """The DOT text of a graph: sizes without labels, which Graphviz would measure in its own fonts."""
    out, into = ("s", "n") if direction == "TB" else ("e", "w")
    ids = {id: f"n{i}" for i, id in enumerate([*plan.sizes, *plan.entries, *plan.exits])}
    slots = _slots(plan)
    lines = [
        f"digraph {{ rankdir={direction}; nodesep={NODE_GAP / _POINTS:.4f}; ranksep={RANK_GAP / _POINTS:.4f};",
        # A bound for the network simplex and the sweeps against crossings, so that no graph takes minutes.
        "nslimit=4; nslimit1=8; mclimit=1;",
        'node [shape=box, fixedsize=true, label=""];',
        f"edge [dir=none, tailport={out}, headport={into}];",
    ]
    for id, (width, height) in plan.sizes.items():
        look = f"width={width / _POINTS:.4f}, height={height / _POINTS:.4f}"
        if id in slots:
            fields = "|".join(f"<f{i}>" for i in range(len(slots[id])))
            look += f', ordering=in, shape=record, label="{fields}"'
        lines.append(f"{ids[id]} [{look}];")
    for rank, ports in (("source", plan.entries), ("sink", plan.exits)):
        if ports:
            lines.append(f"{{ rank={rank}; {' '.join(f'{ids[port]} [width=0.02, height=0.02];' for port in ports)} }}")
    for source, target in plan.edges:
        slot = f":f{slots[target].index(source)}:{into}" if target in slots else ""
        lines.append(f"{ids[source]} -> {ids[target]}{slot};")
    return "\n".join([*lines, "}\n"])


def _slots(plan: Plan) -> dict[str, list[str]]:
    """For each ordered box that several edges enter, what they come from."""
    found: dict[str, list[str]] = {}
    for source, target in plan.edges:
        if target in plan.ordered:
            found.setdefault(target, []).append(source)
    return {target: sources for target, sources in found.items() if len(sources) > 1}


def _by_dot(sources: list[str]) -> str:
    program = which("dot")
    if program is None:
        raise UnavailableError("the program dot was not found")
    return _run([program, "-Tplain"], "".join(sources))


def _by_pygraphviz(sources: list[str]) -> str:
    if find_spec("pygraphviz") is None:
        raise UnavailableError("the package pygraphviz is not installed")
    return _run([sys.executable, "-c", _PYGRAPHVIZ], json.dumps(sources))


def _run(command: list[str], given: str) -> str:
    try:
        run = subprocess.run(command, input=given.encode(), capture_output=True, check=False, timeout=TIME_LIMIT)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(str(error)) from error
    if run.returncode:
        raise UnavailableError(f"exit status {run.returncode}")
    return run.stdout.decode()


Placed = tuple[dict[str, Point], dict[tuple[str, str], tuple[Point, ...]]]


def _read(text: str, plans: Sequence[Plan]) -> Iterator[Placed]:
    """Centers and curves from Graphviz's plain text, in points, y pointing down, the origin anywhere."""
    graphs = text.split("stop\n")
    if len(graphs) != len(plans) + 1:
        raise UnavailableError(f"{len(plans)} graphs were given but {len(graphs) - 1} came back")
    for plan, graph in zip(plans, graphs, strict=False):
        names = {f"n{i}": id for i, id in enumerate([*plan.sizes, *plan.entries, *plan.exits])}
        centers: dict[str, Point] = {}
        curves: dict[tuple[str, str], tuple[Point, ...]] = {}
        for line in graph.splitlines():
            kind, *words = line.split(" ")
            if kind == "node":
                centers[names[words[0]]] = _point(words[1:3])
            elif kind == "edge":
                end = 3 + 2 * int(words[2])
                points = tuple(_point(words[i : i + 2]) for i in range(3, end, 2))
                curves[names[words[0]], names[words[1]]] = points
        if len(centers) != len(names) or len(curves) != len(plan.edges):
            raise UnavailableError("a box or an edge is missing in what came back")
        yield centers, curves


def _point(words: Sequence[str]) -> Point:
    return float(words[0]) * _POINTS, -float(words[1]) * _POINTS


def _by_hand(plan: Plan, direction: str) -> Placed:
    """The layout of `layered`, which knows one direction alone: down."""
    turn = direction == "LR"
    sizes = {id: (h, w) if turn else (w, h) for id, (w, h) in plan.sizes.items()}
    centers, curves = layered.layout(
        sizes, plan.edges, plan.entries, plan.exits, NODE_GAP, RANK_GAP, frozenset(_slots(plan))
    )
    if turn:
        centers = {id: (y, x) for id, (x, y) in centers.items()}
        curves = {edge: tuple((y, x) for x, y in points) for edge, points in curves.items()}
    return centers, curves


def _framed(
    plan: Plan, centers: dict[str, Point], curves: Mapping[tuple[str, str], Sequence[Point]], direction: str
) -> Layout:
    """The frame put around, with the ports on its border."""
    frame = plan.frame
    is_port = {*plan.entries, *plan.exits}
    points = [point for edge, curve in curves.items() if is_port.isdisjoint(edge) for point in curve]
    for id, (width, height) in plan.sizes.items():
        x, y = centers[id]
        points += [(x - width / 2, y - height / 2), (x + width / 2, y + height / 2)]
    points = points or [(0.0, 0.0)]
    # Along the edges ports lie on the border, the way to them as long as the frame is thick. Across they need room.
    main = 1 if direction == "TB" else 0
    spans = [(min(p[axis] for p in points), max(p[axis] for p in points)) for axis in (0, 1)]
    across = [centers[port][1 - main] for port in is_port]
    low, high = spans[1 - main]
    spans[1 - main] = (min([low, *across]), max([high, *across]))
    before, after = [frame.left, frame.top], [frame.right, frame.bottom]
    for axis, least in enumerate((frame.least_width, frame.least_height)):
        missing = max(0.0, least - (spans[axis][1] - spans[axis][0] + before[axis] + after[axis]))
        before[axis] += missing / 2
        after[axis] += missing / 2
    sizes = [spans[axis][1] - spans[axis][0] + before[axis] + after[axis] for axis in (0, 1)]
    ends = [min((centers[port][main] for port in plan.entries), default=0.0)]
    ends.append(max((centers[port][main] for port in plan.exits), default=0.0))

    def along(value: float) -> float:
        low, high = spans[main]
        if value < low and plan.entries:
            return before[main] * (value - ends[0]) / (low - ends[0]) if low > ends[0] else 0.0
        if value > high and plan.exits:
            rest = (ends[1] - value) / (ends[1] - high) if ends[1] > high else 0.0
            return sizes[main] - after[main] * rest
        return value - low + before[main]

    def moved(point: Point) -> Point:
        beside = point[1 - main] - spans[1 - main][0] + before[1 - main]
        return (beside, along(point[1])) if main else (along(point[0]), beside)

    placed = {id: moved(point) for id, point in centers.items()}
    for ports, place in ((plan.entries, 0.0), (plan.exits, sizes[main])):
        for port in ports:
            placed[port] = (placed[port][0], place) if main else (place, placed[port][1])
    drawn = {}
    for edge, curve in curves.items():
        points = [moved(point) for point in curve]
        # Graphviz cuts a curve at its own rounding of the box, or at the little box that a port is to it.
        for end, id, side in ((0, edge[0], 1), (-1, edge[1], -1)):
            x, y = placed[id]
            width, height = plan.sizes.get(id, (0.0, 0.0))
            if id in is_port:
                points[end] = (x, y)
            else:
                beside = points[end][1 - main]
                points[end] = (beside, y + side * height / 2) if main else (x + side * width / 2, beside)
        # A bend may lie behind an end, though the curve doesn't; there it would be moved with what stands there.
        low, high = points[0][main], points[-1][main]
        if low <= high:
            points = [(x, min(max(y, low), high)) if main else (min(max(x, low), high), y) for x, y in points]
        drawn[edge] = tuple(points)
    return Layout(sizes[0], sizes[1], placed, drawn)
