"""Benchmarks: each measures ours and what a user would pick instead, in one run, and prints the ratio."""
