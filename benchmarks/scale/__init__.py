"""Benchmarks of how time and memory grow with rows, features, experts and workers."""
