"""Benchmarks: this project and its peers side by side.

Run them from the repository's root: `python -m benchmarks.training --help`.
"""
