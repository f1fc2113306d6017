"""Trust: which signatures decide what a gateway runs. Here: verification and the repository's layout, both pure.

The rooms below sign, publish and fetch.
"""
