"""The error that the lab raises when it cannot go on."""


class LabError(Exception):
    """An error of the lab, which states what happened, to what, and what to do next."""
