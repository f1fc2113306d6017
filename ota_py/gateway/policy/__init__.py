"""The policy of the gateway's owner: what an update may request, and when it may be applied.

Nothing here acts.
"""
