"""English, with dates that sort."""
