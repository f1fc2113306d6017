"""Formats of the admin."""
