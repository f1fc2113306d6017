"""Private keys of this machine, signing requests, and the words in which they are shown.

What is signed is put together in `release` and `rootchange`.
"""
