"""What every description must be, folded or not, and how many operations it stands for."""

from tinygrad_cnn.viz.graph.description import FoldedNode, OperationNode, TensorNode


def check(graph):
    """Ids are unique; edges join what is there and lead forward; groups follow the ones they lie in."""
    places = {node.id: i for i, node in enumerate(graph.nodes)}
    assert len(places) == len(graph.nodes)
    made = set()
    for edge in graph.edges:
        assert edge.source in places
        assert edge.target in places
        source, target = graph.nodes[places[edge.source]], graph.nodes[places[edge.target]]
        if not isinstance(source, TensorNode) or source.kind == "result":
            assert places[edge.source] < places[edge.target]
        assert (edge.tensor is None) == (
            isinstance(source, TensorNode) or isinstance(target, TensorNode)
        ) or edge.count > 1
        if isinstance(target, TensorNode):
            assert edge.target not in made
            made.add(edge.target)
    assert made == {node.id for node in graph.tensors if node.kind == "result"}
    seen = {None}
    for group in graph.groups:
        assert group.parent in seen
        assert group.id not in seen
        seen.add(group.id)
    assert all(node.group in seen for node in graph.nodes)
    return graph


def count_operations(graph):
    """The operations that a picture stands for, each turn of what is repeated counted."""
    times = {None: 1}
    for group in graph.groups:
        times[group.id] = times[group.parent] * group.times
    count = 0
    for node in graph.nodes:
        if isinstance(node, OperationNode):
            count += times[node.group]
        elif isinstance(node, FoldedNode):
            count += times[node.group] * node.times * node.operations
    return count


def titles(graph):
    """The groups with their repetitions."""
    return [(group.title, group.times) for group in graph.groups]
