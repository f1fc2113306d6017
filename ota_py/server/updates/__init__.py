"""The updates that were registered."""
