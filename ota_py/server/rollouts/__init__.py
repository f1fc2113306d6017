"""Rollouts: batches, gates and what became of each gateway."""
