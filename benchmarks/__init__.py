"""Benchmarks, by what they measure; README.rst tells about each."""
