"""What the lab raises when it cannot go on."""


class LabError(Exception):
    """Says what happened, to what, and what to do next."""
