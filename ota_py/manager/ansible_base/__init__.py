"""Base classes of the plugins in `action_plugins/`, which stay thin.

No other part of the manager imports them.
"""
