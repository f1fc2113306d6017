"""Rollouts: batches, gates and the result of each gateway."""
