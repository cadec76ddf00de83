"""Side-by-side measurements against peers: `python -m benchmarks NAME`. Tables are written to `benchmarks/results/`."""
