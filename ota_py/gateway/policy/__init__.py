"""What the owner of the gateway allows an update to ask for, and when it may be applied.

Nothing here acts.
"""
