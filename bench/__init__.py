"""Measures the server against what one would otherwise write. Not part of the package; see docs/performance.md."""
