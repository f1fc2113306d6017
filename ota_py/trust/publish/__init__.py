"""Everything that writes the repository: its first state, a release, a change of root, freshness.

Reading it is in `repository`.
"""
