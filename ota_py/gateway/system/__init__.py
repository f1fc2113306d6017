"""Every effect on the machine: files, processes, clock, locks; each is a failpoint.

This room knows nothing of updates.
"""
