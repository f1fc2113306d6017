"""`init`: the first configuration, keys and repository of a new fleet.

What changes them later is in `rootchange`.
"""
