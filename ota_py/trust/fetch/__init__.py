"""A gateway's way to the repository: carriers, transfers, python-tuf's client over a pinned root.

Nothing here writes a repository.
"""
