"""What the gateway's owner allows an update to request, and when an update may be applied.

Nothing here acts.
"""
