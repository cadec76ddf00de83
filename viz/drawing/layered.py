"""A layered layout without Graphviz: ranks by the longest path, few crossings by barycentres, straight lines by means.

After Sugiyama, Tagawa and Toda, "Methods for visual understanding of hierarchical system structures", 1981. Everything
is iterative and in a fixed order, so that large graphs work and the same graph gives the same layout in every run.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import pairwise

Point = tuple[float, float]
Edge = tuple[str, str]

SWEEPS = 12
"""How often the ranks are sorted from the first to the last and back."""

PASSES = 16
"""How often boxes are moved towards the middle of their neighbours."""

MOST_BENDS = 20_000
"""Beyond so many places at which edges cross a rank, the longer edges run straight and may cross boxes."""

_BEND_WIDTH = 4.0


def layout(
    sizes: Mapping[str, tuple[float, float]],
    edges: Sequence[Edge],
    first: Sequence[str] = (),
    last: Sequence[str] = (),
    gap: float = 20.0,
    rank_gap: float = 34.0,
    spread: Collection[str] = (),
) -> tuple[dict[str, Point], dict[Edge, tuple[Point, ...]]]:
    """The centers of boxes and the curves of edges that run down.

    Args:
        sizes: width and height of each box.
        edges: from box to box, every pair once.
        first, last: points without a size that stand above and below everything else.
        gap: between neighbours.
        rank_gap: between ranks.
        spread: boxes that edges enter side by side, each at a place of its own; the others they enter in the middle.

    Returns:
        The centers, and for each edge the control points of Bezier curves from the lower side of its source to the
        upper side of its target.

    >>> centers, curves = layout({"a": (40, 20), "b": (40, 20), "c": (90, 20)}, [("a", "c"), ("b", "c")])
    >>> centers["a"][1] == centers["b"][1] < centers["c"][1], abs(centers["a"][0] - centers["b"][0]) >= 60
    (True, True)
    """
    boxes = {**dict.fromkeys(first, (0.0, 0.0)), **sizes, **dict.fromkeys(last, (0.0, 0.0))}
    forward = _acyclic(boxes, edges)
    ranks = _ranks(boxes, forward, first, last)
    chains, rank_of, width_of = _chains(boxes, edges, ranks)
    rows = _rows(rank_of)
    above, below = _neighbours(chains.values())
    rows = _sorted(rows, above, below)
    across = _across(rows, width_of, above, below, gap)
    tops, bottoms = _heights(rows, boxes, rank_gap)
    centers = {id: (across[id], (tops[ranks[id]] + bottoms[ranks[id]]) / 2) for id in boxes}
    aside = _aside(chains.values(), across, {id: boxes[id][0] for id in spread})
    curves = {}
    for edge, chain in chains.items():
        turned = chain[0] != edge[0]
        source, target = chain[0], chain[-1]
        # Beside a higher box of its own rank an edge runs straight.
        stops = [(across[source], centers[source][1] + boxes[source][1] / 2), (across[source], bottoms[ranks[source]])]
        for bend in chain[1:-1]:
            stops += [(across[bend], tops[rank_of[bend]]), (across[bend], bottoms[rank_of[bend]])]
        place = across[target] + aside.get((chain[-2], target), 0.0)
        stops += [(place, tops[ranks[target]]), (place, centers[target][1] - boxes[target][1] / 2)]
        points = _curve(stops)
        curves[edge] = tuple(reversed(points)) if turned else tuple(points)
    return centers, curves


def _acyclic(boxes: Iterable[str], edges: Sequence[Edge]) -> list[Edge]:
    """The edges, turned round where they close a circle."""
    after: dict[str, list[str]] = {id: [] for id in boxes}
    for source, target in edges:
        after[source].append(target)
    order: dict[str, int] = {}
    open_now: set[str] = set()
    turned: set[Edge] = set()
    for start in after:
        if start in order:
            continue
        order[start] = len(order)
        open_now.add(start)
        stack = [(start, iter(after[start]))]
        while stack:
            id, rest = stack[-1]
            for target in rest:
                if target in open_now:
                    turned.add((id, target))
                elif target not in order:
                    order[target] = len(order)
                    open_now.add(target)
                    stack.append((target, iter(after[target])))
                    break
            else:
                open_now.discard(id)
                stack.pop()
    return [(edge[1], edge[0]) if edge in turned else edge for edge in edges if edge[0] != edge[1]]


def _ranks(boxes: Iterable[str], edges: Sequence[Edge], first: Sequence[str], last: Sequence[str]) -> dict[str, int]:
    """The rank of each box: one below the lowest above it; what has nothing above it just above what it leads to."""
    after: dict[str, list[str]] = {id: [] for id in boxes}
    waiting = dict.fromkeys(after, 0)
    for source, target in edges:
        after[source].append(target)
        waiting[target] += 1
    sources = [id for id, count in waiting.items() if not count]
    ranks = dict.fromkeys(after, 0)
    order = list(sources)
    for id in order:  # which grows meanwhile
        for target in after[id]:
            ranks[target] = max(ranks[target], ranks[id] + 1)
            waiting[target] -= 1
            if not waiting[target]:
                order.append(target)
    for id in sources:
        if after[id]:
            ranks[id] = min(ranks[target] for target in after[id]) - 1
    inner = [rank for id, rank in ranks.items() if id not in first and id not in last]
    lowest, highest = min(inner, default=0), max(inner, default=0)
    ranks.update(dict.fromkeys(first, lowest - 1))
    ranks.update(dict.fromkeys(last, highest + 1))
    used = sorted(set(ranks.values()))
    numbers = {rank: i for i, rank in enumerate(used)}
    return {id: numbers[rank] for id, rank in ranks.items()}


def _chains(
    boxes: Mapping[str, tuple[float, float]], edges: Sequence[Edge], ranks: Mapping[str, int]
) -> tuple[dict[Edge, list[str]], dict[str, int], dict[str, float]]:
    """For each edge what it passes from rank to rank, downwards: its ends, and a bend in every rank between them."""
    rank_of = dict(ranks)
    width_of = {id: width for id, (width, _) in boxes.items()}
    chains = {}
    left = MOST_BENDS
    for i, edge in sorted(enumerate(edges), key=lambda each: abs(ranks[each[1][0]] - ranks[each[1][1]])):
        upper, lower = edge if ranks[edge[0]] <= ranks[edge[1]] else (edge[1], edge[0])
        between = range(ranks[upper] + 1, ranks[lower])
        left -= len(between)
        bends = [f"{i}/{rank}" for rank in between] if left >= 0 else []
        rank_of.update(zip(bends, between, strict=False))
        width_of.update(dict.fromkeys(bends, _BEND_WIDTH))
        chains[edge] = [upper, *bends, lower]
    return {edge: chains[edge] for edge in edges}, rank_of, width_of


def _rows(rank_of: Mapping[str, int]) -> list[list[str]]:
    rows: list[list[str]] = [[] for _ in range(max(rank_of.values(), default=-1) + 1)]
    for id, rank in rank_of.items():
        rows[rank].append(id)
    return rows


def _neighbours(chains: Iterable[Sequence[str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for chain in chains:
        for upper, lower in pairwise(chain):
            above.setdefault(lower, []).append(upper)
            below.setdefault(upper, []).append(lower)
    return above, below


def _sorted(
    rows: list[list[str]], above: Mapping[str, Sequence[str]], below: Mapping[str, Sequence[str]]
) -> list[list[str]]:
    """The order in each rank with the fewest crossings that the sweeps came upon."""
    best, fewest = [list(row) for row in rows], _crossings(rows, below)
    rows = [list(row) for row in rows]
    for sweep in range(SWEEPS):
        if not fewest:
            break
        is_down = sweep % 2 == 0
        places = {id: i for row in rows for i, id in enumerate(row)}
        for row in rows if is_down else reversed(rows):
            near = above if is_down else below
            keys = {}
            for id in row:
                others = near.get(id, ())
                keys[id] = sum(places[other] for other in others) / len(others) if others else places[id]
            row.sort(key=keys.__getitem__)
            places.update((id, i) for i, id in enumerate(row))
        crossings = _crossings(rows, below)
        if crossings < fewest:
            best, fewest = [list(row) for row in rows], crossings
    return best


def _crossings(rows: Sequence[Sequence[str]], below: Mapping[str, Sequence[str]]) -> int:
    places = {id: i for row in rows for i, id in enumerate(row)}
    count = 0
    for row in rows:
        seen: list[int] = []
        for id in row:
            ends = sorted(places[other] for other in below.get(id, ()))
            count += sum(len(seen) - bisect_right(seen, end) for end in ends)
            for end in ends:
                insort(seen, end)
    return count


def _across(
    rows: Sequence[Sequence[str]],
    width_of: Mapping[str, float],
    above: Mapping[str, Sequence[str]],
    below: Mapping[str, Sequence[str]],
    gap: float,
) -> dict[str, float]:
    """Where each box stands in its rank: near the mean of its neighbours, in order, and never too near the next."""
    across: dict[str, float] = {}
    for row in rows:
        place = 0.0
        for id in row:
            across[id] = place + width_of[id] / 2
            place += width_of[id] + gap
        for id in row:
            across[id] -= place / 2
    for i in range(PASSES):
        is_down = i % 2 == 0
        # In the end to both sides, so that neither the operands nor the results alone decide.
        sides = (above, below) if i >= PASSES - 4 else (above,) if is_down else (below,)
        for row in rows if is_down else reversed(rows):
            wanted = []
            for id in row:
                near = [across[other] for side in sides for other in side.get(id, ())]
                wanted.append(sum(near) / len(near) if near else across[id])
            across.update(zip(row, _spread(wanted, [width_of[id] for id in row], gap), strict=True))
    return across


def _spread(wanted: Sequence[float], widths: Sequence[float], gap: float) -> list[float]:
    """The places nearest to the wanted ones, by the sum of squares, that keep the order and the gap.

    The pool of adjacent violators: neighbours that would come too near stand side by side around their common mean.
    """
    offsets = [0.0]
    for left, right in pairwise(widths):
        offsets.append(offsets[-1] + (left + right) / 2 + gap)
    pools: list[tuple[float, int]] = []  # the mean of the members' wanted place of the first box, and how many they are
    for place, offset in zip(wanted, offsets, strict=False):
        mean, count = place - offset, 1
        while pools and pools[-1][0] > mean:
            earlier, size = pools.pop()
            mean = (earlier * size + mean * count) / (size + count)
            count += size
        pools.append((mean, count))
    starts = [mean for mean, count in pools for _ in range(count)]
    return [start + offset for start, offset in zip(starts, offsets, strict=False)]


def _aside(
    chains: Iterable[Sequence[str]], across: Mapping[str, float], widths: Mapping[str, float]
) -> dict[Edge, float]:
    """How far from the middle of a box the last links to it end, in the order in which they come from left to right."""
    links: dict[str, list[str]] = {}
    for chain in chains:
        if chain[-1] in widths:
            links.setdefault(chain[-1], []).append(chain[-2])
    found = {}
    for target, sources in links.items():
        for i, source in enumerate(sorted(sources, key=across.__getitem__)):
            found[source, target] = ((i + 0.5) / len(sources) - 0.5) * widths[target]
    return found


def _heights(
    rows: Sequence[Sequence[str]], boxes: Mapping[str, tuple[float, float]], rank_gap: float
) -> tuple[list[float], list[float]]:
    tops, bottoms = [], []
    top = 0.0
    for row in rows:
        tops.append(top)
        bottoms.append(top + max((boxes[id][1] for id in row if id in boxes), default=0.0))
        top = bottoms[-1] + rank_gap
    return tops, bottoms


def _curve(stops: Sequence[Point]) -> list[Point]:
    """Bezier curves from stop to stop that leave and arrive vertically."""
    points = [stops[0]]
    for x1, y1 in stops[1:]:
        x0, y0 = points[-1]
        middle = (y0 + y1) / 2
        if y1 > y0:
            points += [(x0, middle), (x1, middle), (x1, y1)]
    return points
