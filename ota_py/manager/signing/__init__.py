"""Private keys of this machine, signing requests, and their texts for people.

What is signed is put together in `release` and `rootchange`.
"""
