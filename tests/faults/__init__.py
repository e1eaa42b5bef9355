"""Faults of all kinds under a rehearsal's load, on real processes: nodes, their database, Redis and nginx.

A fault is a few lines in `scenarios.py`; `deployment.py` is what it strikes, `load.py` who is in the exam meanwhile,
and `check.py` what must be true afterwards, the same for all. `make chaos` prints the table; see docs/faults.md.
"""
