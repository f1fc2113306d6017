"""Formats for English, with dates that sort."""
