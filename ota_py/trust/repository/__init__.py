"""The repository as the operator's side reads it from its store.

Writing it is in `publish`.
"""
