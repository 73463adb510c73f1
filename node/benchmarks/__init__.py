"""How fast a node is, next to what its QUIC engine allows: `make bench`, or `python -m benchmarks` in node/.

A benchmark is a module here with a function `run(effort) -> Result`, named in `__main__.BENCHMARKS`. What it compares
runs in turn, in processes of their own, on the loopback of one host; `measuring` has the turns and `results` the table.
"""
