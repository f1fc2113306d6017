"""Where an update comes from (repository, bundle, registry, registry relay), and where it is laid out.

Whether it may be applied is decided in `policy` and `transaction`.
"""
