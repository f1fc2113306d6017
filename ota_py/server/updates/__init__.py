"""The registered updates."""
