"""Large graphs made readable: modules folded, repeated blocks rolled up, chains collapsed, to a budget of nodes."""
