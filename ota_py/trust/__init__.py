"""Who may say what a gateway runs: verification and the layout of a repository, both pure.

The rooms below sign, publish and fetch.
"""
