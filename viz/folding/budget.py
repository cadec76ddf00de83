"""What of a graph a picture shows: folded, rolled up and collapsed as asked for, and then until it is small enough."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Collection
from dataclasses import dataclass

from tinygrad_cnn.viz.folding.chains import collapse_chains, without_results
from tinygrad_cnn.viz.folding.contraction import fold, levels_of
from tinygrad_cnn.viz.folding.rolling import roll_up
from tinygrad_cnn.viz.folding.stages import summarise
from tinygrad_cnn.viz.graph.description import FoldedNode, Graph

LARGE = 100
"""A picture of more nodes, without numbers, shows no boxes of results that have no name."""

SCARCE = 10
"""A picture that folds to less than this part of its budget shows a level more, summarised as stages."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A graph that is small enough.

    Attributes:
        graph: what is left to draw.
        note: what was done to it beyond what was asked for, and how to see more; "" for nothing.
    """

    graph: Graph
    note: str = ""


def fit(
    graph: Graph,
    depth: int | None = None,
    is_rolled: bool | None = None,
    has_numbers: bool = False,
    keep: Collection[str] = (),
    budget: int | None = None,
) -> Fitted:
    """A graph for a picture of at most so many nodes.

    First what was asked for is done. If there are still too many nodes, then, one after the other and only as far as
    needed: the boxes of unnamed results go; repeated blocks are rolled up and long chains collapsed, unless that was
    forbidden; the deepest calls of modules are folded; what follows each other is summarised as stages.

    Args:
        graph: a description, nothing in it folded yet.
        depth: fold the calls that lie in so many others; None folds none.
        is_rolled: whether repeated blocks and long chains are shown once; None for where no numbers are shown.
        has_numbers: whether the picture will show values or gradients.
        keep: the ids of nodes that stay.
        budget: the number of nodes; None for any number.
    """
    is_short = not has_numbers if is_rolled is None else is_rolled
    views = _Views(graph, depth, is_short, keep)
    shown = views.arranged(views.depth)
    if not has_numbers and len(shown.nodes) > LARGE:
        shown = views.at(views.depth)
    if budget is None or len(shown.nodes) <= budget:
        return Fitted(shown)
    if not is_short and is_rolled is None:
        views = _Views(graph, depth, True, keep)
    shown, more = views.fit(budget)
    done = views.done(shown)
    note = f"{len(graph.nodes):,} nodes in {len(shown.nodes):,}: {', '.join(done)}"
    if len(shown.nodes) > budget:
        return Fitted(shown, f"{note}; no fewer can be shown")
    return Fitted(shown, f"{note}; budget={more or len(graph.nodes)} shows more")


class _Views:
    """A graph at every depth."""

    def __init__(self, graph: Graph, depth: int | None, is_short: bool, keep: Collection[str]) -> None:
        self._graph = roll_up(graph, keep) if is_short else graph
        self._is_short, self._keep = is_short, keep
        self._levels = levels_of(graph.groups)
        deepest = max(self._levels.values(), default=-1) + 1
        self.depth = deepest if depth is None else min(depth, deepest)
        self._arranged: dict[int, Graph] = {}
        self._at: dict[int, Graph] = {}

    def arranged(self, depth: int) -> Graph:
        """The graph folded at this depth, and its long chains collapsed."""
        if depth not in self._arranged:
            self._arranged[depth] = self._collapsed(fold(self._graph, depth, keep=self._keep))
        return self._arranged[depth]

    def at(self, depth: int) -> Graph:
        """The same without the boxes of results that have no name."""
        if depth not in self._at:
            self._at[depth] = without_results(self.arranged(depth), self._keep)
        return self._at[depth]

    def _collapsed(self, graph: Graph) -> Graph:
        return collapse_chains(graph, keep=self._keep) if self._is_short else graph

    def fit(self, budget: int) -> tuple[Graph, int | None]:
        """The graph as deep as the budget allows, and the budget that shows more; None for that of all nodes."""
        depth = bisect_right(range(self.depth + 1), budget, key=lambda each: len(self.at(each).nodes)) - 1
        if depth == self.depth:
            return self.at(depth), None
        if depth < 0:
            return summarise(self.at(0), budget, self._keep), len(self.at(0).nodes)
        shown = self.at(depth)
        if len(shown.nodes) * SCARCE < budget:
            shown = self._with_the_small_ones_open(shown, budget)
        if len(shown.nodes) * SCARCE < budget:
            shown = summarise(self.at(depth + 1), budget, self._keep)
        return shown, len(self.at(depth + 1).nodes)

    def _with_the_small_ones_open(self, shown: Graph, budget: int) -> Graph:
        """The folded calls opened one level, the smallest first, and those that are alike together."""
        alike: dict[tuple[object, ...], list[str]] = {}
        calls = [node for node in shown.nodes if isinstance(node, FoldedNode) and node.kind == "call"]
        for node in sorted(calls, key=lambda node: node.operations):
            alike.setdefault((node.title, node.arguments, node.contents), []).append(node.id)
        folded = {node.id for node in calls}
        inside: dict[str, set[str]] = {}
        titles = {group.id: group.title for group in self._graph.groups}
        call_around: dict[str, str | None] = {}  # of each group the call that it lies in
        for group in self._graph.groups:
            around = group.parent
            if around in titles and not titles[around]:
                around = call_around[around]
            call_around[group.id] = around
            if around is not None and group.title:
                inside.setdefault(around, set()).add(group.id)
        for ids in alike.values():
            fewer = folded.difference(ids).union(*(inside.get(id, ()) for id in ids))
            trial = without_results(self._collapsed(fold(self._graph, groups=fewer, keep=self._keep)), self._keep)
            if len(trial.nodes) > budget:
                break
            folded, shown = fewer, trial
        return shown

    def done(self, shown: Graph) -> list[str]:
        """What was done, in words."""
        kinds = {node.kind for node in shown.nodes if isinstance(node, FoldedNode)}
        folded = [node for node in shown.nodes if isinstance(node, FoldedNode) and node.kind == "call"]
        depths = sorted({self._levels[node.id] for node in folded})
        words = ["repeated blocks rolled up"] if any(group.times > 1 for group in self._graph.groups) else []
        words += ["chains collapsed"] if "chain" in kinds else []
        words += [f"modules folded at depth {' and '.join(map(str, depths))}"] if depths else []
        words += ["what follows each other summarised"] if "stage" in kinds else []
        return words or ["results without a name as arrows"]
