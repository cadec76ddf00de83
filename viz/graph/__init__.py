"""What pictures of graphs are made from: a plain description of nodes, edges and the calls of modules."""
