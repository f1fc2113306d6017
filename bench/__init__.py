"""Benchmarks: each measures the project and what a user would pick instead, in one run, and prints the ratio."""
