"""The library against its peers on a CPU: `python -m benchmarks cpu`; measures, and writes tables, plots and numbers.

    python -m benchmarks cpu                            everything, with 2 threads and then with 1
    python -m benchmarks cpu --threads 2 --only lenet   one group again; the results of the others stay
    python -m benchmarks cpu --quick                    fewer and shorter rounds: for a first look, not for a table
    python -m benchmarks cpu --report-only              the tables and plots again from the numbers

Every candidate has a process of its own (`worker`), and every round visits all of them. Ratios are to PyTorch eager in
the same round, medians with quartiles.
"""
