"""The sources of an update (repository, bundle, registry, registry relay), and the staging of its files.

Whether it may be applied is decided in `policy` and `transaction`.
"""
