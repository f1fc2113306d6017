"""Fetching from the repository, as a gateway does it: carriers, transfers, python-tuf's client over a pinned root.

Nothing here writes a repository.
"""
