"""Making, signing and publishing an update, packing it as a bundle, checking one from outside.

Keys and their change are in `signing` and `rootchange`.
"""
